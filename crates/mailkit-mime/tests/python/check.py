"""Reads messages with Python's own email package and compares them with what is expected.

Usage: check.py FOLDER, which holds expected.ndjson and the files that it names.
"""

import base64
import email
import email.header
import email.utils
import json
import pathlib
import sys


def decoded(value):
    """The text of a header field: RFC 2047 words joined as RFC 2047 section 6.2 says."""
    unfolded = value.replace("\r\n", "").replace("\n", "")
    return str(email.header.make_header(email.header.decode_header(unfolded.lstrip(" "))))


def addresses(value):
    unfolded = value.replace("\r\n", "").replace("\n", "")
    return [[decoded(name), address] for name, address in email.utils.getaddresses([unfolded])]


def canonical(content):
    content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return content[:-1] if content.endswith(b"\n") else content


def leaf(part):
    is_text = part.get_content_maintype() == "text"
    content = part.get_payload(decode=True)
    content_id = part["Content-ID"]
    return {
        "content_type": part.get_content_type(),
        "name": part.get_filename(),
        "content_id": content_id.strip("<>") if content_id else None,
        "is_text": is_text,
        "base64": canonical(content) if is_text else content,
    }


def wanted(leaf):
    content = base64.b64decode(leaf["base64"])
    return {**leaf, "base64": canonical(content) if leaf["is_text"] else content}


def compare(folder, expected):
    message = email.message_from_bytes((folder / expected["file"]).read_bytes())
    found = {
        "subject": decoded(message["Subject"]),
        "from": addresses(message["From"]),
        "to": addresses(message["To"]),
        "custom": [decoded(value) for value in message.get_all("X-Custom", [])],
        "leaves": [leaf(part) for part in message.walk() if not part.is_multipart() and "Content-Type" in part],
        "defects": [str(defect) for part in message.walk() for defect in part.defects],
    }
    right = {
        "subject": expected["subject"],
        "from": [[expected["from_name"], "ann@example.com"]],
        "to": expected["to"],
        "custom": expected["custom"],
        "leaves": [wanted(leaf) for leaf in expected["leaves"]],
        "defects": [],
    }
    if len(found["leaves"]) == len(right["leaves"]):
        pairs = [pair for pair in zip(found["leaves"], right["leaves"]) if pair[0] != pair[1]]
        found["leaves"], right["leaves"] = [one for one, _ in pairs], [other for _, other in pairs]
    return [f"{expected['file']}: {key}: {found[key]!r} is not {right[key]!r}" for key in right if found[key] != right[key]]


def main():
    folder = pathlib.Path(sys.argv[1])
    count, wrong = 0, []
    with open(folder / "expected.ndjson", encoding="utf-8") as lines:
        for line in lines:
            count += 1
            wrong += compare(folder, json.loads(line))
    if wrong:
        sys.exit("\n".join(wrong[:5]) + f"\n{len(wrong)} differences in {count} messages")
    print(f"{count} messages are equal")


main()
