//! Mail messages: from typed headers and text to the bytes on the wire
