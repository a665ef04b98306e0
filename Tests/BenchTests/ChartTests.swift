import Foundation
/// Charts: where values lie, and that the picture is well formed.
import FoundationXML
import Testing

@testable import drover_bench

@Suite struct ChartTests {
    @Test func `an axis that spans decades is logarithmic with ticks at 1, 2 and 5`() {
        let axis = Axis([1_000, 3_000, 100_000])
        #expect(axis.scale == .logarithmic)
        #expect(axis.ticks.map(axis.label) == ["1,000", "2,000", "5,000", "10,000", "20,000", "50,000", "100,000"])
        #expect(abs(axis.position(10_000) - 0.5) < 1e-9)
    }

    @Test(arguments: [([0.0, 59.3], "0 20 40 60"), ([0.8], "0 0.2 0.4 0.6 0.8"), ([7, 24.6], "0 5 10 15 20 25")])
    func `a linear axis begins at zero and has round ticks that cover its values`(values: [Double], ticks: String) {
        let axis = Axis(values, scale: .linear)
        #expect(axis.ticks.map(axis.label).joined(separator: " ") == ticks)
        #expect(values.allSatisfy { axis.position($0) <= 1 })
    }

    @Test func `percentiles are spread by how rare what lies beyond is`() {
        let axis = Axis([50, 99.999], scale: .percentile)
        #expect(axis.ticks.map(axis.label) == ["50", "90", "99", "99.9", "99.99", "99.999"])
        let steps = [90, 99, 99.9, 99.99, 99.999].map(axis.position)
        for (step, next) in zip(steps, steps.dropFirst()) { #expect(abs(next - step - (steps[1] - steps[0])) < 1e-6) }
    }

    @Test func `the picture is well-formed XML that holds a line a series and every label`() throws {
        let chart = Chart(
            title: "a < b & \"c\"", xLabel: "viewers", yLabel: "µs",
            series: [
                .init(name: "gateway", points: [.init(x: 1, y: 2), .init(x: 2, y: 3)]),
                .init(name: "bare floor", points: [.init(x: 1, y: 1), .init(x: 2, y: 2)]),
            ], level: (4, "flat"))
        let reader = Reader()
        let parser = XMLParser(data: Data(chart.svg.utf8))
        parser.delegate = reader
        #expect(parser.parse())
        #expect(reader.elements.filter { $0 == "polyline" }.count == 2)
        for label in ["a < b & \"c\"", "viewers", "µs", "gateway", "bare floor", "flat"] {
            #expect(reader.text.contains(label))
        }
    }

    @Test func `a point above another is drawn above it, inside the plot`() {
        let chart = Chart(
            title: "", xLabel: "", yLabel: "", xScale: .linear, yScale: .linear,
            series: [.init(name: "", points: [.init(x: 0, y: 10), .init(x: 10, y: 0)])])
        #expect(chart.svg.contains("points=\"76.0,71.0 728.0,372.0\""))
    }

    @Test func `a legend that is too long for a line goes on in the next, and the plot makes room`() {
        let names = (1...6).map { "a histogram with a long name, number \($0)" }
        let chart = Chart(
            title: "", xLabel: "", yLabel: "", xScale: .linear, yScale: .linear,
            series: names.map { .init(name: $0, points: [.init(x: 0, y: 10), .init(x: 10, y: 0)]) })
        // Two of them fit into a line.
        #expect(chart.svg.contains("points=\"76.0,132.0 728.0,372.0\""))
    }

    @Test func `a latency chart ends where a run has counted too few to tell`() throws {
        var latencies = Latencies()
        for milliseconds in 1...1_000 { latencies.record(nanoseconds: Int64(milliseconds) * 1_000_000) }
        let run = RunRecord(
            name: "half load", seconds: 1, pings: 1_000, deliveries: 0, serverCPUSeconds: 0, threadCPUSeconds: [],
            serverUserShare: 0, redisCPUSeconds: 0, postgresCPUSeconds: 0, generatorShare: 0, otherCores: 0,
            histograms: [HistogramRecord("ack", latencies)])
        let (name, chart) = try #require(Charts(records: [.run(run)]).all.first)
        #expect(name == "latency-half-load")
        let points = try #require(chart.series.first).points
        #expect(points.first?.x == 50)
        #expect(points.last?.x == 99.9)
        #expect(abs((points.last?.y ?? 0) - 999) <= 1)
    }

    @Test func `a curve's growth is its costliest point beside its first`() {
        let points = [(1.0, 4.0), (2, 6), (3, 5)].map { Curve.Point(x: $0.0, y: $0.1) }
        #expect(Curve(name: "", over: "", unit: "", points: points).growth == 1.5)
    }
}

/// Takes note of what a parser meets.
private final class Reader: NSObject, XMLParserDelegate {
    var elements: [String] = []
    var text = ""

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String]
    ) { elements.append(name) }

    func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }
}
