//! Questions and answers, a line each.

use std::io::{self, BufRead, Write};

/// Asks on one stream and reads answers from another. Standard input and standard error are all it takes: a question a line, and no
/// cursor to move.
pub struct Asker<R, W> {
    answers: R,
    questions: W,
}

/// What a person says to a pair of fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Use it.
    Yes,
    /// Leave it out.
    No,
    /// Pair it with this one instead.
    Other(String),
}

impl<R: BufRead, W: Write> Asker<R, W> {
    /// An asker on these streams.
    pub const fn new(answers: R, questions: W) -> Self {
        Self { answers, questions }
    }

    /// Says something.
    pub fn say(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.questions, "{text}")
    }

    fn line(&mut self, question: &str) -> io::Result<String> {
        write!(self.questions, "{question} ")?;
        self.questions.flush()?;
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the answers ended before the questions"));
        }
        Ok(line.trim().to_owned())
    }

    /// Asks until there is an answer that will do. An empty line takes the default. `wrong` says what is wrong with an answer, and
    /// does not repeat it.
    pub fn text(&mut self, question: &str, default: Option<&str>, wrong: impl Fn(&str) -> Option<String>) -> io::Result<String> {
        let question = default.map_or_else(|| format!("{question}:"), |default| format!("{question} [{default}]:"));
        loop {
            let mut answer = self.line(&question)?;
            if answer.is_empty() {
                default.unwrap_or_default().clone_into(&mut answer);
            }
            match if answer.is_empty() { Some("an answer is needed".to_owned()) } else { wrong(&answer) } {
                None => return Ok(answer),
                Some(problem) => self.say(&format!("  {problem}"))?,
            }
        }
    }

    /// Asks whether two fields are a pair: y, n, or another field's name. An empty line is no.
    pub fn pair(&mut self, question: &str, known: impl Fn(&str) -> bool) -> io::Result<Choice> {
        loop {
            let answer = self.line(&format!("{question} [y/N/other field]:"))?;
            match answer.to_lowercase().as_str() {
                "" | "n" | "no" => return Ok(Choice::No),
                "y" | "yes" => return Ok(Choice::Yes),
                _ if known(&answer) => return Ok(Choice::Other(answer)),
                _ => self.say("  write y, n, or the API name of a Salesforce field that is not taken yet")?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked<T>(answers: &str, ask: impl Fn(&mut Asker<&[u8], &mut Vec<u8>>) -> io::Result<T>) -> (io::Result<T>, String) {
        let mut said = Vec::new();
        let answer = ask(&mut Asker::new(answers.as_bytes(), &mut said));
        (answer, String::from_utf8_lossy(&said).into_owned())
    }

    #[test]
    fn an_empty_line_takes_the_default_and_a_wrong_answer_is_asked_for_again_and_not_repeated() {
        let zone = |asker: &mut Asker<&[u8], &mut Vec<u8>>| {
            asker.text("zone", Some("UTC"), |answer| (answer == "Mars").then(|| "no such zone".to_owned()))
        };
        assert_eq!(asked("\n", zone).0.ok().as_deref(), Some("UTC"));
        let (answer, said) = asked("Mars\nEurope/London\n", zone);
        assert_eq!(answer.ok().as_deref(), Some("Europe/London"));
        assert!(said.contains("no such zone") && !said.contains("Mars"), "{said}");
        assert_eq!(asked("", zone).0.map_err(|error| error.kind()), Err(io::ErrorKind::UnexpectedEof));
    }

    #[test]
    fn a_pair_is_taken_left_or_changed() {
        let pair = |asker: &mut Asker<&[u8], &mut Vec<u8>>| asker.pair("use it?", |name| name == "Title");
        for (answers, expected) in
            [("\n", Choice::No), ("n\n", Choice::No), ("Y\n", Choice::Yes), ("Tilte\nTitle\n", Choice::Other("Title".to_owned()))]
        {
            assert_eq!(asked(answers, pair).0.ok(), Some(expected), "{answers:?}");
        }
    }
}
