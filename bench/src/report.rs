//! Figures for people, as a table, and for programs, as a line of JSON for each measure.

use serde_json::{Map, Value, json};

use crate::conditions::Conditions;

/// What every figure of a floor begins with.
const FLOOR: &str = "floor_";

/// The figures of one run of a measure, by key.
pub(crate) type Figures = Vec<(&'static str, f64)>;

/// One measure with certain parameters, over all its runs.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    measure: &'static str,
    parameters: Vec<(&'static str, Value)>,
    runs: Vec<Figures>,
}

/// Median and extremes of one figure.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

impl Record {
    /// The runs of a measure. All of them have the same keys.
    pub(crate) fn new(
        measure: &'static str,
        parameters: Vec<(&'static str, Value)>,
        runs: Vec<Figures>,
    ) -> Self {
        Self { measure, parameters, runs }
    }

    /// One line of JSON: each key has its median, `spread` the least and greatest of all runs.
    pub(crate) fn json(&self, conditions: &Conditions) -> String {
        let mut object = Map::new();
        object.insert("measure".into(), self.measure.into());
        object.extend(self.parameters.iter().map(|(key, value)| ((*key).into(), value.clone())));
        let mut spreads = Map::new();
        for key in self.keys() {
            let Spread { min, median, max } = self.spread(key);
            object.insert(key.into(), rounded(median).into());
            spreads.insert(key.into(), json!([rounded(min), rounded(max)]));
        }
        object.insert("spread".into(), spreads.into());
        object.insert("conditions".into(), conditions.json());
        Value::from(object).to_string()
    }

    /// The rows of a Markdown table, one for each key that is not a floor.
    pub(crate) fn rows(&self) -> String {
        let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let parameters: Vec<_> =
            self.parameters.iter().map(|(key, value)| format!(" {key} {}", word(value))).collect();
        let name = format!("{}{}", self.measure, parameters.concat());
        let keys = self.keys().into_iter().filter(|key| !key.starts_with(FLOOR));
        keys.map(|key| format!("| {name} | `{key}` | {} |\n", self.cells(key))).collect()
    }

    fn cells(&self, key: &str) -> String {
        let floor = format!("{FLOOR}{key}");
        let spread = self.spread(key);
        match self.keys().contains(&floor.as_str()) {
            false => format!("{} | | ", spread.shown()),
            true => {
                let floor = self.spread(&floor);
                format!(
                    "{} | {} | {:.2}",
                    spread.shown(),
                    floor.shown(),
                    spread.median / floor.median
                )
            }
        }
    }

    fn keys(&self) -> Vec<&'static str> {
        self.runs.first().map(|run| run.iter().map(|(key, _)| *key).collect()).unwrap_or_default()
    }

    fn spread(&self, key: &str) -> Spread {
        let of_key = |run: &Figures| run.iter().find(|(name, _)| *name == key).map(|(_, v)| *v);
        Spread::of(self.runs.iter().filter_map(of_key).collect())
    }
}

/// The head of the table.
pub(crate) fn head() -> &'static str {
    "| measure | key | median (min..max) | floor | median of floor's |\n|---|---|---:|---:|---:|\n"
}

impl Spread {
    /// Of at least one value.
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let last = values.len() - 1;
        let median = f64::midpoint(values[last / 2], values[last.div_ceil(2)]);
        Self { min: values[0], median, max: values[last] }
    }

    fn shown(self) -> String {
        let Self { min, median, max } = self;
        format!("{} ({}..{})", rounded(median), rounded(min), rounded(max))
    }
}

/// To a thousandth, or a whole number where that says enough.
fn rounded(value: f64) -> f64 {
    if value.abs() >= 1_000.0 { value.round() } else { (value * 1_000.0).round() / 1_000.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_tells_the_median_and_the_extremes() {
        let runs = [3.0, 1.0, 2.0].map(|cost| vec![("cost", cost), ("floor_cost", 1.0)]);
        let record = Record::new("try", vec![("sessions", json!(7))], runs.to_vec());
        assert_eq!(record.rows(), "| try sessions 7 | `cost` | 2 (1..3) | 1 (1..1) | 2.00 |\n");
        assert_eq!(Spread::of(vec![4.0, 1.0]), Spread { min: 1.0, median: 2.5, max: 4.0 });
    }
}
