//! Scripted peers, fault proxies and launchers for real mail servers (not published)
