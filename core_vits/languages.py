"""Languages as Piper's list of voices describes them; Home Assistant shows these names to its users."""

from __future__ import annotations

from types import MappingProxyType

# family: (region to assume when the tag has none, name in the language, name in English)
_FAMILIES = MappingProxyType(
    {
        "af": ("ZA", "Afrikaans", "Afrikaans"),
        "am": ("ET", "አማርኛ", "Amharic"),
        "ar": ("JO", "العربية", "Arabic"),
        "az": ("AZ", "Azərbaycanca", "Azerbaijani"),
        "be": ("BY", "Беларуская", "Belarusian"),
        "bg": ("BG", "Български", "Bulgarian"),
        "bn": ("BD", "বাংলা", "Bengali"),
        "bs": ("BA", "Bosanski", "Bosnian"),
        "ca": ("ES", "Català", "Catalan"),
        "cs": ("CZ", "Čeština", "Czech"),
        "cy": ("GB", "Cymraeg", "Welsh"),
        "da": ("DK", "Dansk", "Danish"),
        "de": ("DE", "Deutsch", "German"),
        "el": ("GR", "Ελληνικά", "Greek"),
        "en": ("US", "English", "English"),
        "eo": ("001", "Esperanto", "Esperanto"),
        "es": ("ES", "Español", "Spanish"),
        "et": ("EE", "Eesti", "Estonian"),
        "eu": ("ES", "Euskara", "Basque"),
        "fa": ("IR", "فارسی", "Farsi"),
        "fi": ("FI", "Suomi", "Finnish"),
        "fr": ("FR", "Français", "French"),
        "ga": ("IE", "Gaeilge", "Irish"),
        "gl": ("ES", "Galego", "Galician"),
        "gu": ("IN", "ગુજરાતી", "Gujarati"),
        "he": ("IL", "עברית", "Hebrew"),
        "hi": ("IN", "हिन्दी", "Hindi"),
        "hr": ("HR", "Hrvatski", "Croatian"),
        "hu": ("HU", "Magyar", "Hungarian"),
        "hy": ("AM", "Հայերեն", "Armenian"),
        "id": ("ID", "Bahasa Indonesia", "Indonesian"),
        "is": ("IS", "Íslenska", "Icelandic"),
        "it": ("IT", "Italiano", "Italian"),
        "ja": ("JP", "日本語", "Japanese"),
        "ka": ("GE", "ქართული", "Georgian"),
        "kk": ("KZ", "Қазақша", "Kazakh"),
        "kn": ("IN", "ಕನ್ನಡ", "Kannada"),
        "ko": ("KR", "한국어", "Korean"),
        "ky": ("KG", "Кыргызча", "Kyrgyz"),
        "la": ("VA", "Latina", "Latin"),
        "lb": ("LU", "Lëtzebuergesch", "Luxembourgish"),
        "lt": ("LT", "Lietuvių", "Lithuanian"),
        "lv": ("LV", "Latviešu", "Latvian"),
        "mk": ("MK", "Македонски", "Macedonian"),
        "ml": ("IN", "മലയാളം", "Malayalam"),
        "mr": ("IN", "मराठी", "Marathi"),
        "ms": ("MY", "Bahasa Melayu", "Malay"),
        "mt": ("MT", "Malti", "Maltese"),
        "nb": ("NO", "Norsk bokmål", "Norwegian Bokmål"),
        "ne": ("NP", "नेपाली", "Nepali"),
        "nl": ("NL", "Nederlands", "Dutch"),
        "no": ("NO", "Norsk", "Norwegian"),
        "pa": ("IN", "ਪੰਜਾਬੀ", "Punjabi"),
        "pl": ("PL", "Polski", "Polish"),
        "pt": ("BR", "Português", "Portuguese"),
        "ro": ("RO", "Română", "Romanian"),
        "ru": ("RU", "Русский", "Russian"),
        "sk": ("SK", "Slovenčina", "Slovak"),
        "sl": ("SI", "Slovenščina", "Slovenian"),
        "sq": ("AL", "Shqip", "Albanian"),
        "sr": ("RS", "Srpski", "Serbian"),
        "sv": ("SE", "Svenska", "Swedish"),
        "sw": ("CD", "Kiswahili", "Swahili"),
        "ta": ("IN", "தமிழ்", "Tamil"),
        "te": ("IN", "తెలుగు", "Telugu"),
        "tr": ("TR", "Türkçe", "Turkish"),
        "tt": ("RU", "Татарча", "Tatar"),
        "uk": ("UA", "Українська", "Ukrainian"),
        "ur": ("PK", "اردو", "Urdu"),
        "uz": ("UZ", "Oʻzbekcha", "Uzbek"),
        "vi": ("VN", "Tiếng Việt", "Vietnamese"),
        "zh": ("CN", "简体中文", "Chinese"),
    }
)
_COUNTRIES = MappingProxyType(
    {
        "001": "World", "AL": "Albania", "AM": "Armenia", "AR": "Argentina", "AT": "Austria", "AU": "Australia",
        "AZ": "Azerbaijan", "BA": "Bosnia and Herzegovina", "BD": "Bangladesh", "BE": "Belgium", "BG": "Bulgaria",
        "BR": "Brazil", "BY": "Belarus", "CA": "Canada", "CD": "Democratic Republic of the Congo",
        "CH": "Switzerland", "CN": "China", "CZ": "Czech Republic", "DE": "Germany", "DK": "Denmark",
        "EE": "Estonia", "ES": "Spain", "ET": "Ethiopia", "FI": "Finland", "FR": "France", "GB": "Great Britain",
        "GE": "Georgia", "GR": "Greece", "HR": "Croatia", "HU": "Hungary", "ID": "Indonesia", "IE": "Ireland",
        "IL": "Israel", "IN": "India", "IR": "Iran", "IS": "Iceland", "IT": "Italy", "JO": "Jordan", "JP": "Japan",
        "KG": "Kyrgyzstan", "KR": "South Korea", "KZ": "Kazakhstan", "LT": "Lithuania", "LU": "Luxembourg",
        "LV": "Latvia", "MK": "North Macedonia", "MT": "Malta", "MX": "Mexico", "MY": "Malaysia",
        "NL": "Netherlands", "NO": "Norway", "NP": "Nepal", "NZ": "New Zealand", "PK": "Pakistan", "PL": "Poland",
        "PT": "Portugal", "RO": "Romania", "RS": "Serbia", "RU": "Russia", "SE": "Sweden", "SI": "Slovenia",
        "SK": "Slovakia", "TR": "Turkey", "TW": "Taiwan", "UA": "Ukraine", "US": "United States",
        "UZ": "Uzbekistan", "VA": "Vatican City", "VN": "Vietnam", "ZA": "South Africa",
    }
)  # fmt: skip


def language_block(tag: str) -> dict[str, str]:
    """The block `language` of a voice's JSON.

    A language or a country that the tables lack is called by its code: the voice works all the same.

    Args:
        tag: BCP 47, for instance `ru` or `pt-BR`.
    """
    family, *rest = tag.replace("_", "-").split("-")
    family = family.lower()
    region_assumed, native, english = _FAMILIES.get(family, (family.upper(), family, family))
    region = next((part.upper() for part in rest if len(part) == 2 or part.isdigit()), region_assumed)
    return {
        "code": f"{family}_{region}",
        "family": family,
        "region": region,
        "name_native": native,
        "name_english": english,
        "country_english": _COUNTRIES.get(region, region),
    }
