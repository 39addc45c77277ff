"""Verifies the signatures of messages with dkimpy and keys from a file instead of DNS.

usage: verify_dkim.py RECORDS MESSAGE...

RECORDS holds lines of `name<TAB>text of the TXT record`. For each message a line is printed: its file, and for
each signature from the top `pass` or `fail`, with the reason for a failure in brackets.
"""

import sys

import dkim


def read_records(path):
    with open(path, encoding="ascii") as file:
        return dict(line.rstrip("\n").split("\t") for line in file)


def check(message, index, records):
    def look_up(name, timeout=5):
        record = records.get(name.decode("ascii").rstrip("."))
        return record.encode("ascii") if record else None

    try:
        if dkim.DKIM(message).verify(idx=index, dnsfunc=look_up):
            return "pass"
        return "fail"
    except dkim.DKIMException as error:
        return f"fail({error})"


def main(records_path, *message_paths):
    records = read_records(records_path)
    for path in message_paths:
        with open(path, "rb") as file:
            message = file.read()
        header = message.split(b"\r\n\r\n", 1)[0]
        signatures = sum(line.startswith(b"DKIM-Signature:") for line in header.split(b"\r\n"))
        print(path, *(check(message, index, records) for index in range(signatures)))


main(*sys.argv[1:])
