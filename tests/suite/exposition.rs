//! What `OpenMetrics` asks of an exposition, strictly: what scrapers forgive is a fault here.

use std::collections::BTreeSet;

/// What is wrong with an exposition, by the rules of `OpenMetrics` for its order.
pub fn faults(text: &str) -> Vec<String> {
    let (mut faults, mut done) = (Vec::new(), BTreeSet::new());
    let (mut family, mut described, mut samples) = (String::new(), BTreeSet::new(), BTreeSet::new());
    let Some(body) = text.strip_suffix("# EOF\n") else { return vec!["it does not end".to_owned()] };
    for line in body.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", kind @ ("HELP" | "TYPE" | "UNIT"), name, _] => {
                if name != family {
                    if !done.insert(name.to_owned()) {
                        faults.push(format!("{name} begins twice"));
                    }
                    (family, described) = (name.to_owned(), BTreeSet::new());
                    samples.clear();
                }
                if !samples.is_empty() || !described.insert(kind) {
                    faults.push(format!("{line}: said twice, or below a sample"));
                }
            }
            ["#", ..] | [] | [""] => faults.push(format!("{line}: neither a description nor a sample")),
            [..] => {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let name = series.split('{').next().unwrap();
                let suffix = name.strip_prefix(family.as_str());
                if !suffix.is_some_and(|suffix| ["", "_total", "_info", "_bucket", "_sum", "_count"].contains(&suffix)) {
                    faults.push(format!("{line}: among the samples of {family}"));
                }
                if !described.contains("TYPE") || value.parse::<f64>().is_err() || !samples.insert(series.to_owned()) {
                    faults.push(format!("{line}: of no type, no number, or there twice"));
                }
            }
        }
    }
    faults
}

#[test]
fn the_check_of_an_exposition_finds_what_is_wrong() {
    let a = "# HELP a A.\n# TYPE a gauge\na{pair=\"x\"} 1\n";
    assert_eq!(faults(&format!("{a}a{{pair=\"y\"}} 1\n# EOF\n")), Vec::<String>::new());
    let b = "# HELP b B.\n# TYPE b counter\nb_total 1\n";
    for wrong in [
        a.to_owned(),
        format!("{a}{a}# EOF\n"),
        format!("{a}{b}{a}# EOF\n"),
        format!("{a}{b}a{{pair=\"y\"}} 1\n# EOF\n"),
        format!("{a}# EOF\n# EOF\n"),
    ] {
        assert_ne!(faults(&wrong), Vec::<String>::new(), "{wrong}");
    }
}
