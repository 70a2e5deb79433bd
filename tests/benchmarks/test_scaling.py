"""Both ways of scaling are timed in turns."""

from maskattn_benchmarks.scaling import least_ms, main


def test_turns():
    calls = []
    found = least_ms(lambda: calls.append("a"), lambda: calls.append("b"), rounds=2)
    assert calls == ["a", "b", "a", "b"]
    assert all(value >= 0 for value in found)


def test_the_command(capsys):
    assert main(["640x480", "200x200"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("640x480: OpenCV ")
    assert "matrix products" in first
    assert second.endswith("left to OpenCV")
