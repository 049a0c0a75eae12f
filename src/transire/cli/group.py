"""Groups of commands of which one may be left out: `transire detect FILE` is `detect scan FILE`."""

from typing import Any

from typer.core import TyperGroup

__all__ = ["group_with"]


def group_with(default: str) -> type[TyperGroup]:
    """A group that runs `default` where the first word names none of its commands.

    Options count as words, save `--help`, which is the group's own. An argument that is spelled
    like a command is taken for it; `./` before a file or folder says otherwise.
    """

    class Group(TyperGroup):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            if args and args[0] not in self.commands and args[0] != "--help":
                args = [default, *args]
            return super().parse_args(ctx, args)

    return Group
