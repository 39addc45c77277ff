//! The order of leases: higher priorities first, tenants in turn within a priority, the oldest due message first within a
//! tenant.
//!
//! The messages of one priority, tenant and route are one ready bucket, and the ready messages of a bucket are a range of an
//! index. So the time to find the next message does not depend on the number of the others.

use std::cmp::Reverse;
use std::collections::VecDeque;

use mailkit_queue::{LeaseRequest, Priority};
use rusqlite::{Params, params};

use crate::batch::Batch;
use crate::error::StoreError;

/// A tenant with ready messages, and its buckets.
struct Tenant {
    name: Option<String>,
    buckets: Vec<i64>,
}

/// The row numbers of the next messages, in the order of their leases.
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
    let mut turns = VecDeque::new();
    for tenant in tenants {
        let oldest = oldest(batch, &tenant.buckets, need)?;
        turns.push_back((tenant.name, oldest));
    }
    while messages.len() < enough {
        let Some((name, mut oldest)) = turns.pop_front() else { break };
        if let Some((_, seq)) = oldest.pop() {
            messages.push(seq);
            if turns.is_empty() || messages.len() == enough {
                batch.cache.last_tenant.insert(priority, name.clone());
            }
            turns.push_back((name, oldest));
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
    found.sort_unstable_by_key(|position| Reverse(*position));
    Ok(found)
}

/// Up to `most` tenants with ready messages, beginning with the one after the last tenant; with the buckets whose routes are not
/// skipped.
fn tenants(batch: &Batch<'_>, priority: i64, skip: &[String], most: usize) -> Result<Vec<Tenant>, StoreError> {
    let (queue, last) = (batch.context.queue, batch.cache.last_tenant.get(&priority));
    let mut found = Vec::new();
    match last {
        None => {}
        Some(None) => gather(batch, "AND tenant >= ''", params![queue, priority], skip, most, &mut found)?,
        Some(Some(name)) => gather(batch, "AND tenant > ?3", params![queue, priority, name], skip, most, &mut found)?,
    }
    // Continue from the first tenant to those that were found already.
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
