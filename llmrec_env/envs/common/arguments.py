"""The arguments of environments: misspelt ones are refused, and which may change later."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from gymnasium.envs.registration import EnvSpec

from llmrec_env.common.errors import SettingError, UnknownArgumentError

P = ParamSpec("P")
E = TypeVar("E", bound="Arguments")


class Arguments:
    """An environment whose arguments are settings: what has been made of them stays.

    Attributes:
        changeable: the names of those that may be set later, and then hold at once.
    """

    changeable: frozenset[str] = frozenset({"max_episode_steps", "render_mode"})
    _arguments: frozenset[str] = frozenset()
    _made = False

    def __setattr__(self, name: str, value: Any) -> None:
        if self._made and name in self._arguments and name not in self.changeable:
            raise SettingError(
                f"{name!r} holds for good, make another environment to change it; what can be set "
                f"is {', '.join(sorted(self.changeable))}"
            )
        super().__setattr__(name, value)

    @property
    def spec(self) -> EnvSpec | None:
        """What ``gym.make`` made it from; paths in it are texts, which JSON can hold."""
        return self.__dict__.get("_spec")

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        if spec is not None:
            spec.kwargs = {
                name: os.fspath(value) if isinstance(value, os.PathLike) else value
                for name, value in spec.kwargs.items()
            }
        self.__dict__["_spec"] = spec

    def set_wrapper_attr(self, name: str, value: Any, **kwargs: Any) -> bool:
        """Set a setting or an attribute that is there, as Gymnasium's wrappers do.

        Returns:
            True: it was set here, so no wrapper around needs to.

        Raises:
            SettingError: there is no such attribute, or it holds for good.
        """
        if not hasattr(self, name):
            raise SettingError(f"no attribute {name!r}; {_hint(name, self.changeable)}")
        setattr(self, name, value)
        return True


def named_arguments(make: Callable[Concatenate[E, P], None]) -> Callable[Concatenate[E, P], None]:
    """An ``__init__`` that refuses an argument it does not know, and names the nearest.

    The error has Python's own words and type: TorchRL's ``GymEnv`` tries ``frameskip=1``, and does
    without it where it reads them.
    """
    known = list(inspect.signature(make).parameters)[1:]

    @functools.wraps(make)
    def checked(self: E, *args: P.args, **kwargs: P.kwargs) -> None:
        check_names(kwargs, known)
        make(self, *args, **kwargs)
        self._arguments = frozenset(known)
        self._made = True

    return cast("Callable[Concatenate[E, P], None]", checked)


def check_names(given: Iterable[str], known: list[str]) -> None:
    """Refuse a keyword that is none.

    Raises:
        UnknownArgumentError: one of those given is not known; the nearest is named.
    """
    for name in given:
        if name not in known:
            hint = _hint(name, known)
            raise UnknownArgumentError(f"unexpected keyword argument {name!r}; {hint}")


def _hint(name: str, known: list[str] | frozenset[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there is {', '.join(sorted(known))}"
