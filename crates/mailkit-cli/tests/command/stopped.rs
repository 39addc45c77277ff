//! A worker that was stopped for longer than its lease, and goes on after another worker has taken its message.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use crate::run::mailkit;
use crate::store::Store;

/// Takes a connection up to its DATA, says so, and waits until it shall answer 354; gives what came after that.
fn slow_at_data(stream: TcpStream, reached: Sender<()>, go: Receiver<()>) -> String {
    let mut writer = stream.try_clone().unwrap();
    let mut lines = BufReader::new(stream);
    writer.write_all(b"220 mx\r\n").unwrap();
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0);
        match line.trim_end() {
            "DATA" => break,
            _ => writer.write_all(b"250 ok\r\n").unwrap(),
        }
    }
    reached.send(()).unwrap();
    go.recv().unwrap();
    writer.write_all(b"354 go\r\n").unwrap();
    let mut rest = String::new();
    // It may close with what it was not asked for unread.
    let _ = lines.read_to_string(&mut rest);
    rest
}

/// A server with one slow connection; gives its URL, and what came over the connection.
fn server(reached: Sender<()>, go: Receiver<()>) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}?tls=none&timeout=60", listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || slow_at_data(listener.accept().unwrap().0, reached, go));
    (url, serving)
}

#[test]
fn it_sends_no_content_under_a_lease_that_is_over() {
    let store = Store::new();
    let id = store.enqueue(&[]);
    let ((reached, at_data), (go, may_go)) = (channel(), channel());
    let (slow, serving) = server(reached, may_go);
    let stopped = store.worker(&slow, &["--lease", "5s", "--json"]);
    at_data.recv().unwrap();
    stopped.signal("-STOP");
    let sink = crate::sink_process::SinkProcess::start(&[]);
    let args = ["work", "--queue", &store.url, "--server", &sink.plain(), "--lease", "5s", "--until-empty", "-q"];
    mailkit(args).assert_code(0);
    assert_eq!(sink.messages().len(), 1);
    let ambiguous = store.stats()["ambiguous_total"].clone();
    go.send(()).unwrap();
    stopped.signal("-CONT");
    assert_eq!(serving.join().unwrap(), "", "content was sent under a lease that was over");
    stopped.end("-TERM").assert_code(0).assert_says("its lease expired before its content was sent");
    let message = store.show(&id);
    assert_eq!((&message["state"], &message["attempts"]), (&"sent".into(), &1.into()));
    // The store may count the lease that it ended; the attempt itself adds nothing.
    assert_eq!(store.stats()["ambiguous_total"], ambiguous);
}
