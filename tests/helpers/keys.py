"""The keys of a US keyboard, as a browser is told of them."""

import string

SHIFTED = dict(zip('~!@#$%^&*()_+{}|:"<>?', "`1234567890-=[]\\;',./", strict=True))
SIGNS = dict(zip(";=,-./`[\\]'", (*range(186, 193), *range(219, 223)), strict=True))
NAMED = {
    "Backspace": 8,
    "Tab": 9,
    "Enter": 13,
    "Escape": 27,
    " ": 32,
    "PageUp": 33,
    "PageDown": 34,
    "End": 35,
    "Home": 36,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
    "Delete": 46,
    "Shift": 16,
    "Control": 17,
    "Alt": 18,
    "Meta": 91,
}
MODIFIERS = {"Alt": 1, "Control": 2, "Meta": 4, "Shift": 8}


def key_event(name):
    """The parameters of Input.dispatchKeyEvent for a key or a chord: ``"a"``, ``"ArrowRight"``, ``"Shift+Tab"``."""
    held, _, key = name[:-1].rpartition("+")
    key += name[-1]  # which may itself be a plus
    modifiers = sum(MODIFIERS[each] for each in held.split("+") if each)
    if key in NAMED:
        text = {"Enter": "\r", " ": " "}.get(key, "")
        code = {" ": "Space", "Shift": "ShiftLeft", "Control": "ControlLeft", "Alt": "AltLeft", "Meta": "MetaLeft"}
        found = {"code": code.get(key, key), "windowsVirtualKeyCode": NAMED[key]}
    else:
        if len(key) != 1:
            raise ValueError(f"no key is called {key!r}")
        text, plain = key, SHIFTED.get(key, key.lower())
        modifiers |= MODIFIERS["Shift"] * (plain != key)
        if plain in string.ascii_lowercase:
            found = {"code": "Key" + plain.upper(), "windowsVirtualKeyCode": ord(plain.upper())}
        elif plain in string.digits:
            found = {"code": "Digit" + plain, "windowsVirtualKeyCode": ord(plain)}
        else:
            found = {"code": "", "windowsVirtualKeyCode": SIGNS.get(plain, 0)}
    if modifiers & ~MODIFIERS["Shift"]:
        text = ""
    return {"key": key, "modifiers": modifiers, "text": text, **found}
