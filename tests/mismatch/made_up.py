"""A made-up dataset: sentences of a made-up language, and what a bad recogniser hears of them."""

from __future__ import annotations

import numpy as np

from workbench.mismatch.sounds import CLASSES, COSTS, Sounds


class Language:
    """Syllables that follow each other by habit, so that sentences are alike as those of one language are."""

    def __init__(self, seed: int = 5) -> None:
        self.random = np.random.default_rng(seed)
        vowels = [number for number, name in enumerate(CLASSES) if name.endswith("vowel")]
        others = [number for number, name in enumerate(CLASSES) if not name.endswith("vowel")]
        self.words = [
            np.array([part for _ in range(int(self.random.integers(1, 4))) for part in self._syllable(others, vowels)])
            for _ in range(300)
        ]

    def _syllable(self, others: list[int], vowels: list[int]) -> list[int]:
        return [int(self.random.choice(others)), int(self.random.choice(vowels))]

    def text(self, words: int = 12) -> Sounds:
        """A sentence."""
        chosen = self.random.integers(0, len(self.words), words)
        return np.concatenate([self.words[index] for index in chosen]).astype(np.int8)

    def heard(self, text: Sounds, errors: float = 0.35) -> Sounds:
        """What is heard of it: some sounds are taken for others, near ones more often, left out, or put in."""
        result: list[int] = []
        for sound in text.tolist():
            luck = float(self.random.random())
            if luck < errors * 0.6:
                likely = np.exp(-4 * COSTS[sound])
                result.append(int(self.random.choice(len(CLASSES), p=likely / likely.sum())))
            elif luck < errors * 0.8:
                continue
            elif luck < errors:
                result += [sound, int(self.random.integers(len(CLASSES)))]
            else:
                result.append(sound)
        return np.array(result, dtype=np.int8)
