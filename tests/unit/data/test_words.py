from sfsc.data.words import camera_of, credit_of, sentences_of


def test_a_set_names_its_owner_licence_and_what_a_camera_is():
    """Both are sentences beside its images."""
    assert "Mihai Oltean, CC BY-SA 4.0" in credit_of("fruits360")
    assert (
        camera_of("grocery")
        == "a camera is a fold of the published split, as no device is recorded"
    )
    assert sentences_of("fruits360") == [
        "A camera is the axis that a fruit turns around: a pose, not a device.",
        f"{credit_of('fruits360')}.",
    ]


def test_sets_with_cameras_and_unknown_ones_say_nothing():
    """A set's file need not have the texts; results may outlive the file."""
    assert sentences_of("market1501") == sentences_of("synthetic") == sentences_of("gone") == []
