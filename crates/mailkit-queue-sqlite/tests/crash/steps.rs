//! A process that ends at the first step of the writer, at the second, and so on up to the last.

use std::io::{BufRead, BufReader};

use crate::child;
use crate::verdict::Told;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_may_die_at_any_step_of_the_store() {
    for step in 1.. {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mailkit.db");
        let mut process = child::start("once", &path, 0, Some(step));
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let lines: Vec<_> = lines.collect::<Result<_, _>>().unwrap();
        let ended_well = process.wait().unwrap().success();
        let mut told = Told::default();
        told.add(&lines);
        told.check(&path, 1, true).await;
        if ended_well {
            assert!(step > 40, "only {step} steps");
            return;
        }
    }
}
