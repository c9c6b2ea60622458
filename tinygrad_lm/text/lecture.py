"""The names that the lectures' slides use."""


def lecture_names() -> tuple[str, ...]:
    """The names on the slides, sorted, lower-case a-z: 19, of which the bundled list lacks several.

    Bigrams are counted by hand there in four of them: aabid, priya, zeel and nipun.

    Source: N. Batra, "Next Token Prediction", IIT Gandhinagar, after A. Karpathy, "Neural Networks: Zero to Hero".
    """
    return (
        *("aabid", "aadesh", "abhidha", "abid", "adesh", "aditya", "arjun", "kiran", "krishna", "lakshmi"),
        *("meera", "nipun", "nisha", "priya", "rajesh", "sunita", "vikash", "zara", "zeel"),
    )
