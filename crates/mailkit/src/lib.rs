//! The toolkit that gets mail out of a program reliably
