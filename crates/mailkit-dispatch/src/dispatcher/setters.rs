//! `with_*` methods for settings that may gain fields.

/// Implements a `with_*` method for each field listed.
macro_rules! setters {
    ($target:ident { $($(#[$doc:meta])+ $method:ident($field:ident: $type:ty);)+ }) => {
        impl $target {
            $($(#[$doc])+
            #[must_use]
            pub fn $method(mut self, $field: $type) -> Self {
                self.$field = $field;
                self
            })+
        }
    };
}
pub(super) use setters;
