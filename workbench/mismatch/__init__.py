"""Does a recording say what its text says? Compares heard with expected phones, in no particular language.

Nothing here opens a file: a worker hears the recordings and phonemizes the texts.
"""
