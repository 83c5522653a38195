//! Tells the linker that Node resolves what is missing.

fn main() {
    napi_build::setup();
}
