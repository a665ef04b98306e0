// One page of metrics, and one readiness, out of several processes'.
import Testing

@testable import Gateway

@Suite struct MergedMetricsTests {
    private static func page(_ build: (inout MetricsPage) -> Void) -> String {
        var page = MetricsPage(.exchange, timestamp: "")
        build(&page)
        return page.text
    }

    /// Samples by name with labels.
    private static func samples(_ text: String) -> [String: String] {
        Dictionary(
            uniqueKeysWithValues: text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { line in
                let space = line.lastIndex(of: " ") ?? line.endIndex
                return (String(line[..<space]), String(line[space...].dropFirst()))
            })
    }

    @Test func `counters, histograms and amounts add up; ages and states do as they say`() {
        var merged = MergedMetrics()
        for number in 1...3 {
            var latencies = LatencyHistogram()
            for _ in 0..<number { latencies.record(300) }
            merged.add(
                Self.page { page in
                    page.counter("a_total", "Help, with a word", number)
                    page.gauge("b", "Help", number)
                    page.gauge("lag_seconds", "Help", Double(number) / 4, merge: .maximum)
                    page.gauge("ready", "Help", number == 2 ? 0 : 1, merge: .minimum)
                    page.begin("c_total", "counter", "Help")
                    page.sample("c_total", "verdict=\"of \(number)\"", number)
                    page.sample("c_total", "verdict=\"all\"", 1)
                    page.histogram("d_seconds", "Help", latencies)
                })
        }
        let samples = Self.samples(merged.text)
        #expect(samples["a_total"] == "6")
        #expect(samples["b"] == "6")
        #expect(samples["lag_seconds"] == "0.75")
        #expect(samples["ready"] == "0")
        #expect(samples["c_total{verdict=\"all\"}"] == "3")
        #expect(samples["c_total{verdict=\"of 2\"}"] == "2")
        #expect(samples["d_seconds_bucket{le=\"0.00025\"}"] == "0")
        #expect(samples["d_seconds_bucket{le=\"0.0005\"}"] == "6")
        #expect(samples["d_seconds_bucket{le=\"+Inf\"}"] == "6")
        #expect(samples["d_seconds_count"] == "6")
        #expect(samples["d_seconds_sum"] == "0.0018")
        #expect(merged.text.contains("# HELP a_total Help, with a word\n# TYPE a_total counter\na_total 6\n"))
        #expect(merged.text.contains("# TYPE d_seconds histogram\n"))
    }

    @Test func `a page that is merged already can be merged again`() {
        let one = Self.page { $0.gauge("lag_seconds", "Help", 2, merge: .maximum) }
        var merged = MergedMetrics()
        merged.add(one)
        var again = MergedMetrics()
        again.add(merged.text)
        again.add(one)
        #expect(again.text == merged.text)
    }

    @Test func `what an ended process counted stays, what it had is gone`() {
        let page = Self.page { page in
            page.counter("a_total", "Help", 5)
            page.gauge("b", "Help", 5)
        }
        var merged = MergedMetrics()
        merged.add(page, countersOnly: true)
        #expect(Self.samples(merged.text) == ["a_total": "5"])
        merged.add(page)
        #expect(Self.samples(merged.text) == ["a_total": "10", "b": "5"])
    }

    @Test func `it is shown as text without the rules, and as documents`() {
        let exchange = Self.page { $0.gauge("lag_seconds", "Help", 0.5, merge: .maximum) }
        #expect(exchange.contains("# MERGE lag_seconds maximum\n"))
        #expect(
            MetricsPage.shown(exchange, as: .text, timestamp: "")
                == "# HELP lag_seconds Help\n# TYPE lag_seconds gauge\nlag_seconds 0.5\n")
        #expect(
            MetricsPage.shown(exchange, as: .ndjson, timestamp: "2026-11-22T00:00:00Z")
                == MetricsRecord("lag_seconds", "", "0.5", "2026-11-22T00:00:00Z").line)
    }

    // MARK: Readiness

    @Test func `it is ready while one worker is, and names what is degraded anywhere`() {
        let well = Readiness(obstacle: nil, degraded: [])
        let ailing = Readiness(obstacle: nil, degraded: [("redis", "away"), ("postgres", "of\nthree\twords")])
        let full = Readiness(obstacle: "the journal has reached its limit", degraded: [("redis", "away too")])
        let one = Readiness(ofWorkers: [well, ailing, full, nil], states: ["ready", "ready", "ready", "starting"])
        #expect(one.obstacle == nil)
        #expect(one.degraded.map(\.part) == ["redis", "postgres", "workers"])
        #expect(one.degraded[0].reason == "away")
        #expect(one.degraded[2].reason == "worker 2: the journal has reached its limit; worker 3 is starting")
        let none = Readiness(ofWorkers: [full, nil], states: ["ready", "waiting"])
        #expect(none.obstacle == "the journal has reached its limit")
        #expect(Readiness(ofWorkers: [nil], states: ["waiting"]).obstacle == "no worker is ready")
        let told = Readiness(report: one.report)
        #expect(told.obstacle == nil)
        #expect(told.degraded[1].reason == "of three words")
        #expect(Readiness(report: none.report).obstacle == none.obstacle)
        #expect(Readiness(report: well.report).degraded.isEmpty)
    }
}
