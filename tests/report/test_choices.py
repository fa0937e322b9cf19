import json

from turn_rl_ros.report.choices import Choice, choices


def test_choices_are_told_by_turn_and_a_cut_file_is_left_out(tmp_path):
    training = tmp_path / "training"
    training.mkdir()
    (training / "turn-002.json").write_text(json.dumps({"delivered": False, "why": "worse than the deployed one"}))
    (training / "turn-001.json").write_text(json.dumps({"delivered": True, "why": "seed 0"}))
    (training / "turn-003.json").write_text('{"delivered": tr')
    assert choices(tmp_path) == [Choice(1, True, "seed 0"), Choice(2, False, "worse than the deployed one")]
