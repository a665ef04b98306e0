/// What the harness says in numbers.
import Testing

@testable import drover_bench

@Suite struct LatenciesTests {
    @Test func `a percentile is a latency that was counted, to three digits`() {
        var latencies = Latencies()
        for milliseconds in 1...100 { latencies.record(nanoseconds: Int64(milliseconds) * 1_000_000) }
        #expect(latencies.count == 100)
        #expect(abs(latencies.milliseconds(50) - 50) <= 0.05)
        #expect(abs(latencies.milliseconds(99) - 99) <= 0.1)
    }

    @Test(arguments: [(0.0, 2, "0.00"), (1.005, 1, "1.0"), (-0.26, 1, "-0.3"), (12345.6, 0, "12346")])
    func `a number is written with so many decimals`(value: Double, count: Int, text: String) {
        #expect(decimals(value, count) == text)
    }
}
