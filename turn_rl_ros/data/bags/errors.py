"""What can be wrong with a recording, and how often it was."""

from collections import Counter

from turn_rl_ros.core.errors import TurnRlError


class BagError(TurnRlError):
    """A bag cannot be read, or not as transitions; says which topic or message, and what to change."""


class Faults:
    """What was found wrong in a recording: how often each cause occurred, and where first.

    A fault never becomes a transition; what it touches is left out or cut.
    """

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        """By cause and topic."""
        self.messages: dict[str, int] = {}
        """How many messages each topic had so far."""
        self._told: dict[tuple[str, str], tuple[float, str]] = {}

    def note(self, cause: str, topic: str, number: int, detail: str, size: float = 0.0) -> None:
        """Count one fault.

        Args:
            cause: its name in a session's `drops`, such as "zero_stamp".
            topic: where it is.
            number: of the message on its topic, from 1.
            detail: what is wrong with this message.
            size: of faults of one cause and topic, the first of the largest is told in full.
        """
        key = cause, topic
        self.counts[key] += 1
        if key not in self._told or size > self._told[key][0]:
            self._told[key] = size, f"{topic}, message {number}: {detail}"

    def drops(self) -> dict[str, int]:
        """How often each cause occurred, over all topics."""
        total: Counter[str] = Counter()
        for (cause, _), count in self.counts.items():
            total[cause] += count
        return dict(total)

    def lines(self) -> list[str]:
        """One line a cause and topic; first what befell the largest share of its topic."""
        share = {key: count / max(1, self.messages.get(key[1], 0)) for key, count in self.counts.items()}
        return [
            self._told[key][1] + (f" ({self.counts[key]} such messages)" if self.counts[key] > 1 else "")
            for key in sorted(share, key=lambda key: -share[key])
        ]
