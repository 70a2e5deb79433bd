"""The measurement of prepared sets, run whole on a few images."""

import re

import cv2
import torch


def test_it_measures_opening_and_reading(load_study, capsys):
    module = load_study("feeding")
    threads = torch.get_num_threads(), cv2.getNumThreads()
    try:
        module.main(["--images", "70", "--listed", "9", "--seconds", "0.02", "--repeats", "2"])
    finally:
        torch.set_num_threads(threads[0])
        cv2.setNumThreads(threads[1])
    lines = capsys.readouterr().out.splitlines()
    assert re.match(r"opening 9 images: \d+\.\d\d s", lines[1])
    rates = [float(line.split(": ")[1].split()[0].replace(",", "")) for line in lines[3:]]
    assert len(rates) == 3
    assert min(rates) > 0
