#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| leadsync::fuzz::check("change_event", data));
