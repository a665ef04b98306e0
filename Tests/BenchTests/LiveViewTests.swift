/// What is shown while a run goes on.
import Testing

@testable import drover_bench

@Suite struct LiveViewTests {
    private func progress(_ phase: LoadProgress.Phase, deliveries: Double, disturbance: String?) -> LoadProgress {
        LoadProgress(
            phase: phase, elapsed: 12, total: 24, openSockets: 90, sockets: 100, pingsPerSecond: 1_000.4,
            deliveriesPerSecond: deliveries, acknowledged: (2.14, 6), viewed: (8, 21.26), lag: 0.05,
            disturbance: disturbance)
    }

    @Test func `a bar, the phase, the sockets, the last second's figures, and what goes on besides`() {
        let lines = LiveView.lines(progress(.steady, deliveries: 5_003, disturbance: "3 of 7 back"), title: "x")
        #expect(lines[0] == "████████████░░░░░░░░░░░░ 12 of 24 s, steady, 90 of 100 sockets")
        #expect(lines[1] == "1000 pings/s, ack p50 2.1 p99 6.0 ms, generator 0.1 ms late")
        #expect(lines[2] == "5003 deliveries/s, viewer p50 8.0 p99 21.3 ms")
        #expect(lines[3] == "3 of 7 back")
    }

    @Test func `without viewers nothing is said about deliveries; while opening only how many are open`() {
        let lines = LiveView.lines(progress(.ramp, deliveries: 0, disturbance: nil), title: "x")
        #expect(lines.count == 4 && lines[2].isEmpty && lines[3].isEmpty)
        let opening = LiveView.lines(progress(.opening, deliveries: 0, disturbance: nil), title: "x")
        #expect(opening == ["x: opening, 90 of 100 sockets", "", "", ""])
    }
}
