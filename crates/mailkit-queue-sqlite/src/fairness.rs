//! Whose turn it is: higher priority first, tenants in turn within one, then the oldest due.
//!
//! Messages of one priority, tenant and route are one bucket, and the ready ones of a bucket are a range of one index. So the
//! next message is found without a look at the others, however many wait.

use std::cmp::Reverse;
use std::collections::VecDeque;

use mailkit_queue::{LeaseRequest, Priority};
use rusqlite::{Params, params};

use crate::batch::Batch;
use crate::error::StoreError;

/// A tenant with mail, and its buckets.
struct Tenant {
    name: Option<String>,
    buckets: Vec<i64>,
}

/// The numbers of the next messages, in the order in which workers get them.
pub(crate) fn next(batch: &mut Batch<'_>, request: &LeaseRequest) -> Result<Vec<i64>, StoreError> {
    batch.write_buckets()?;
    let mut messages = Vec::new();
    for priority in Priority::ALL.iter().map(|priority| *priority as i64) {
        let need = request.max.get() as usize - messages.len();
        if need > 0 {
            let tenants = tenants(batch, priority, &request.skip_routes, need)?;
            serve(batch, priority, tenants, need, &mut messages)?;
        }
    }
    Ok(messages)
}

/// Takes from tenants in turn.
fn serve(
    batch: &mut Batch<'_>,
    priority: i64,
    tenants: Vec<Tenant>,
    need: usize,
    messages: &mut Vec<i64>,
) -> Result<(), StoreError> {
    let enough = messages.len() + need;
    let mut row = VecDeque::new();
    for tenant in tenants {
        let oldest = oldest(batch, &tenant.buckets, need)?;
        row.push_back((tenant.name, oldest));
    }
    while messages.len() < enough {
        let Some((name, mut oldest)) = row.pop_front() else { break };
        if let Some((_, seq)) = oldest.pop() {
            messages.push(seq);
            if row.is_empty() || messages.len() == enough {
                batch.cache.served.insert(priority, name.clone());
            }
            row.push_back((name, oldest));
        }
    }
    Ok(())
}

/// The oldest messages of a tenant, the oldest last.
fn oldest(batch: &Batch<'_>, buckets: &[i64], most: usize) -> Result<Vec<(i64, i64)>, StoreError> {
    let select = "SELECT due, seq FROM message INDEXED BY message_ready WHERE bucket = ? AND state = 1 ORDER BY due, seq LIMIT ?";
    let mut statement = batch.conn.prepare_cached(select)?;
    let mut found = Vec::new();
    for bucket in buckets {
        let rows = statement.query_map(params![bucket, most], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for row in rows {
            found.push(row?);
        }
    }
    found.sort_unstable_by_key(|place| Reverse(*place));
    Ok(found)
}

/// Up to so many tenants with mail, from the one after the last that was served; with the buckets that are not skipped.
fn tenants(batch: &Batch<'_>, priority: i64, skip: &[String], most: usize) -> Result<Vec<Tenant>, StoreError> {
    let (queue, last) = (batch.context.queue, batch.cache.served.get(&priority));
    let mut found = Vec::new();
    match last {
        None => {}
        Some(None) => gather(batch, "AND tenant >= ''", params![queue, priority], skip, most, &mut found)?,
        Some(Some(name)) => gather(batch, "AND tenant > ?3", params![queue, priority, name], skip, most, &mut found)?,
    }
    // From the beginning: those that were found already are the last ones then.
    let mut first = Vec::new();
    if found.len() < most {
        gather(batch, "", params![queue, priority], skip, most, &mut first)?;
    }
    let known = found.first().map(|tenant| tenant.name.clone());
    found.extend(first.into_iter().take_while(|tenant| known.as_ref() != Some(&tenant.name)));
    found.truncate(most);
    Ok(found)
}

fn gather(
    batch: &Batch<'_>,
    condition: &str,
    params: impl Params,
    skip: &[String],
    most: usize,
    found: &mut Vec<Tenant>,
) -> Result<(), StoreError> {
    let select = format!(
        "SELECT tenant, id, route FROM ready_bucket INDEXED BY ready_bucket_with_mail \
         WHERE queue = ?1 AND priority = ?2 AND ready > 0 {condition} ORDER BY tenant"
    );
    let mut statement = batch.conn.prepare_cached(&select)?;
    let mut rows = statement.query(params)?;
    while let Some(row) = rows.next()? {
        let (name, bucket, route): (Option<String>, i64, Option<String>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if route.is_some_and(|route| skip.contains(&route)) {
            continue;
        }
        if let Some(tenant) = found.last_mut().filter(|tenant| tenant.name == name) {
            tenant.buckets.push(bucket);
        } else if found.len() == most {
            break;
        } else {
            found.push(Tenant { name, buckets: vec![bucket] });
        }
    }
    Ok(())
}
