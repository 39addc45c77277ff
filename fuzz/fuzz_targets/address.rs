//! Address lists: no text makes the parser panic, and what it accepts prints to a text that means the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mailkit_address::AddressList;

fuzz_target!(|text: &str| {
    let Ok(list) = text.parse::<AddressList>() else { return };
    let printed = list.to_string();
    assert!(!printed.contains(|c: char| c.is_ascii_control()), "{printed:?} holds a control character");
    match printed.parse::<AddressList>() {
        Ok(again) => assert_eq!(again, list, "{printed:?}"),
        Err(error) => panic!("{printed:?} came from {text:?} and is refused: {error}"),
    }
});
