#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| leadsync::fuzz::check("sign_in_answer", data));
