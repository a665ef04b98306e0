// Metrics as documents: the same samples as the text page, a JSON object a line.
import Foundation
import Testing

@testable import Gateway

@Suite struct MetricsRecordTests {
    private static func record(_ name: String, _ labels: String, _ value: String) throws -> [String: Any] {
        let line = MetricsRecord(name, labels, value, "2026-11-21T20:00:00.000Z").line
        #expect(line.hasSuffix("}\n") && line.count { $0 == "\n" } == 1)
        return try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    }

    @Test func `a sample has a time, a type, a value, a unit, tags and a source`() throws {
        let record = try Self.record("drover_pings_rejected_total", #"reason="accuracy",le="+Inf""#, "12")
        #expect(record.keys.sorted() == ["metric_type", "source", "tags", "timestamp", "unit", "value"])
        #expect(record["timestamp"] as? String == "2026-11-21T20:00:00.000Z")
        #expect(record["metric_type"] as? String == "drover_pings_rejected_total")
        #expect(record["value"] as? Int == 12)
        #expect(record["unit"] as? String == "count")
        #expect(record["tags"] as? [String: String] == ["reason": "accuracy", "le": "+Inf"])
        #expect(record["source"] as? String == "drover")
        #expect(try Self.record("drover_ready", "", "1")["tags"] as? [String: String] == [:])
        #expect(try Self.record("a_seconds", "", "1e-05")["value"] as? Double == 0.00001)
    }

    @Test(arguments: [
        ("drover_history_batch_seconds", "s"), ("drover_history_batch_seconds_sum", "s"),
        ("drover_history_batch_seconds_bucket", "count"), ("drover_history_batch_seconds_count", "count"),
        ("drover_journal_bytes", "bytes"), ("drover_archives_bytes_total", "bytes"), ("drover_drivers", "count"),
        ("drover_pings_total", "count"),
    ])
    func `the unit is the one of the metric's name`(name: String, unit: String) {
        #expect(MetricsRecord.unit(of: name) == unit)
    }

    @Test func `labels keep what was escaped`() {
        let tags = MetricsRecord.tags(#"a="1,2",b="say \"x\"\\\n=",c="""#)
        #expect(tags.map(\.name) == ["a", "b", "c"])
        #expect(tags.map(\.value) == ["1,2", "say \"x\"\\\n=", ""])
        #expect(MetricsRecord.tags("").isEmpty)
    }

    @Test func `what is no number is left out`() {
        for value in ["nan", "inf", "x", ""] { #expect(MetricsRecord("m", "", value, "t").line.isEmpty) }
    }
}
