"""The benchmark's sums: means, intervals and what is left out of them."""

import numpy as np
import pytest

from cxr_demo.evaluation.benchmark import statistics, tables


class TestSums:
    def lines(self, values, finding="Mass", method="lime", metric="pointing"):
        return [
            {"file": f"{finding}{n}", "patient": f"p{n // 2}", "finding": finding, "method": method, metric: value}
            for n, value in enumerate(values)
        ]

    def test_means_weigh_findings_alike_and_leave_out_what_is_undefined(self):
        many, few = self.lines([1] * 10 + [0] * 10 + [None] * 4), self.lines([1] * 10, finding="Nodule")
        figures = {(f["finding"], f["metric"]): f for f in statistics.summary(many + few)}
        assert figures["Mass", "pointing"]["value"] == 0.5
        assert figures["Mass", "pointing"]["cases"] == 20
        assert figures["mean", "pointing"]["value"] == 0.75
        assert figures["mean", "pointing"]["cases"] == 30

    def test_a_finding_with_too_few_films_is_said_and_left_out_of_the_mean(self):
        figures = statistics.summary(self.lines([1, 0] * 10) + self.lines([1, 1], finding="Hernia"))
        by = {f["finding"]: f for f in figures}
        assert by["Hernia"]["too few"]
        assert not by["Mass"]["too few"]
        assert by["mean"]["value"] == by["Mass"]["value"] == 0.5

    def test_a_table_counts_the_cases_of_a_mean_that_lacks_some(self):
        both = [line | {"deletion": n % 2 if n < 12 else None} for n, line in enumerate(self.lines([1, 0] * 10))]
        about = {
            "films": 20,
            "patients": 10,
            "model": "m",
            "warned": {},
            "less_centre": [],
            "figures": statistics.summary(both),
        }
        lines = tables.markdown(about).splitlines()
        (deletion,), (pointing,) = (
            [line for line in lines if line.startswith(f"| {name} ")] for name in ("deletion", "pointing")
        )
        assert deletion.endswith("] n = 12 |")
        assert "n =" not in pointing

    def test_intervals_are_by_patient(self):
        """Two films of a patient are no two patients: the interval is that of half as many."""
        found = []
        for patients in (2, 1):
            lines = self.lines([1, 1, 0, 0] * 15)
            for n, line in enumerate(lines):
                line["patient"] = str(n // patients)
            (figure, _) = statistics.summary(lines)
            found.append(figure["high"] - figure["low"])
        assert found[0] == pytest.approx(found[1] * 2**0.5, rel=0.2)

    def test_against_the_centre_cases_are_paired(self):
        """A method that does one in ten more than the centre does is better, though films differ far more than that."""
        rng = np.random.default_rng(0)
        centre = rng.integers(0, 2, 200)
        more = np.where(np.arange(200) % 10 == 0, 1, centre)
        lines = [
            {"file": f"{n}.png", "patient": str(n), "finding": "Mass", "method": name, "pointing": int(value[n])}
            for n in range(200)
            for name, value in (("better", more), ("same", centre), ("centre", centre))
        ]
        found = {(f["finding"], f["method"]): f for f in statistics.against(lines)}
        assert set(found) == {(finding, method) for finding in ("Mass", "mean") for method in ("better", "same")}
        assert found["mean", "better"]["value"] == pytest.approx((more - centre).mean())
        assert found["mean", "better"]["low"] > 0
        assert found["mean", "same"]["value"] == found["mean", "same"]["low"] == found["mean", "same"]["high"] == 0
        said = "\n".join(tables._less_centre(list(found.values())))
        assert "No better than the centre in pointing: same." in said
        assert statistics.against([line for line in lines if line["method"] != "centre"]) == []
