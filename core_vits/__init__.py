"""VITS (Kim et al. 2021) as Piper trains it: needs torch, numpy and librosa, and nothing of the workbench."""
