//! `mailkit queue check`: what is wrong with a store.

use serde_json::{Value, json};

use crate::store::Store;

/// The file of a store.
fn path(store: &Store) -> std::path::PathBuf {
    store.folder.path().join("mail.db")
}

/// Writes other octets over every place of a text in the file.
fn overwrite(store: &Store, text: &str, by: &[u8]) {
    let mut bytes = std::fs::read(path(store)).unwrap();
    let places = bytes.windows(text.len()).enumerate().filter(|(_, found)| *found == text.as_bytes());
    for place in places.map(|(place, _)| place).collect::<Vec<_>>() {
        bytes[place..place + by.len()].copy_from_slice(by);
    }
    std::fs::write(path(store), bytes).unwrap();
}

#[test]
fn a_sound_store_is_ok() {
    let store = Store::new();
    store.enqueue(&[]);
    let sound = json!({"ok": true, "problems": [], "omitted": 0, "repaired": 0});
    for args in [&["check", "--json"][..], &["check", "--repair", "--json"]] {
        assert_eq!(store.queue(args).assert_code(0).json(), sound);
    }
    assert_eq!(store.queue(&["check"]).assert_code(0).out, "no problems\n");
}

#[test]
fn a_damaged_content_is_78_and_names_its_message() {
    let store = Store::new();
    let id = store.enqueue(&[]);
    overwrite(&store, "How are you?", b"Who are you?");
    let found = store.queue(&["check", "--json"]).assert_code(78).json();
    assert_eq!((&found["ok"], &found["repaired"]), (&json!(false), &json!(0)));
    let problem = &found["problems"][0];
    assert_eq!((&problem["kind"], &problem["id"]), (&json!("content"), &json!(id)));
    let shown = store.queue(&["check", "--repair"]).assert_code(78).out.clone();
    assert!(shown.starts_with("content ") && shown.contains(&id) && shown.contains("checksum"), "{shown}");
}

#[test]
fn a_store_that_cannot_be_opened_is_a_problem_of_its_structure() {
    let store = Store::new();
    store.enqueue(&[]);
    overwrite(&store, "CREATE TABLE message_body", b"CREATE TABLE message_bodx");
    let found = store.queue(&["check", "--json"]).assert_code(78).json();
    let problem = &found["problems"][0];
    assert_eq!((&found["ok"], &problem["kind"], &problem["id"]), (&json!(false), &json!("structure"), &Value::Null));
    store.file("mail.db", "a shopping list");
    let shown = store.queue(&["check"]).assert_code(78).out.clone();
    assert!(shown.starts_with("structure  the queue's store is damaged"), "{shown}");
}

#[test]
fn a_list_is_filtered_by_message_id_and_class() {
    let store = Store::new();
    store.enqueue(&["--message-id", "<one@example.com>"]);
    let other = store.enqueue(&["--message-id", "<two@example.com>"]);
    for text in ["<two@example.com>", "two@example.com"] {
        let listed = store.list(&["--message-id", text]);
        assert_eq!((listed.len(), &listed[0]["id"]), (1, &json!(other)));
    }
    assert_eq!(store.list(&["--class", "greylisted"]).len(), 0);
    let cancelled = store.queue(&["cancel", "--message-id", "two@example.com", "--yes", "--json"]);
    assert_eq!(cancelled.assert_code(0).json()["changed"], 1);
}
