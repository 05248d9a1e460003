//! From functions to the exports of a component.

/// Called by what [`export!`](crate::export!) makes, before each call of a handler's functions.
#[doc(hidden)]
pub fn start() {
    crate::logger::install();
}

/// Makes functions the handler of this component: `export!(handle)`, or `export!(handle, check)`.
///
/// `handle` is a `fn(&Event) -> Handled`. `check` is a `fn() -> Result<(), E>` with an `E` that can be displayed: it is
/// called at deploy with the handler's config and no grants, and an error refuses the deploy.
#[macro_export]
macro_rules! export {
    ($handle:path) => {
        $crate::export!($handle, || Ok::<(), String>(()));
    };
    ($handle:path, $check:expr) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Handler;

            impl $crate::bindings::exports::roomwire::plugin::handler::Guest for Handler {
                fn handle(event: $crate::Event) -> $crate::Handled {
                    $crate::start();
                    $handle(&event)
                }

                fn check() -> Result<(), String> {
                    $crate::start();
                    ($check)().map_err(|error| error.to_string())
                }
            }

    $crate::bindings::export!(Handler with_types_in $crate::bindings);
        };
    };
}
