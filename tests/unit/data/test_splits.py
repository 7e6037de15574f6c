from sfsc.data.splits import hold_out


def test_the_choice_does_not_depend_on_the_order():
    """The held-out identities are a function of the set of identities and the seed."""
    assert hold_out(range(40), fraction=0.2, seed=1) == hold_out(
        reversed(range(40)), fraction=0.2, seed=1
    )


def test_another_seed_holds_out_others():
    """The seed matters."""
    assert hold_out(range(40), fraction=0.2, seed=1) != hold_out(range(40), fraction=0.2, seed=2)


def test_the_number_is_rounded_up():
    """At least one identity is held out, whatever the fraction."""
    assert len(hold_out(range(10), fraction=0.01, seed=0)) == 1
    assert len(hold_out(range(10), fraction=0.25, seed=0)) == 3
