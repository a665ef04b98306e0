import Testing
import Tracking

@testable import Gateway

/// What gateways tell each other of devices.
@Suite struct DeviceReportTests {
    private func state(_ change: (inout DeviceState) -> Void) -> DeviceState {
        var state = DeviceState()
        change(&state)
        return state
    }

    @Test func `a report is read as it was written`() throws {
        let states = [
            DeviceState(), state { $0.connections = 3 },
            state { ($0.lastEnd, $0.endedAt) = (.closed, 1_795_262_400_123_000) },
            state { ($0.lastEnd, $0.endedAt, $0.connections) = (.dropped, 1_795_262_400_123_000, 1) },
            state { $0.troubledAt = 1_795_262_400_123_000 },
            state { ($0.trouble, $0.troubledAt) = (.clock(ahead: 3_600_000_000), 1_795_262_400_123_000) },
        ]
        for state in states {
            let report = try #require(DeviceReport(DeviceReport(state, at: 1_795_262_400_999_000).text))
            #expect(report.state == state)
            #expect(report.at == 1_795_262_400_999_000)
        }
    }

    @Test(arguments: [
        "", "[]", "{}", #"{"at":1}"#, #"{"at":"x","connections":1}"#, #"{"at":1,"connections":-1}"#,
        #"{"at":9223372036854775807,"connections":1}"#, #"{"at":-9223372036854775808,"connections":1}"#,
        #"{"at":1,"connections":1000001}"#, #"{"at":1.5,"connections":1}"#,
    ])
    func `what is no report says nothing`(text: String) {
        #expect(DeviceReport(text) == nil)
    }

    @Test func `the connections of a gateway that is gone broke when it was last heard of`() {
        let left = DeviceReport(state { $0.connections = 2 }, at: 5_000_000).orphaned
        #expect(left.connections == 0)
        #expect(left.lastEnd == .dropped)
        #expect(left.endedAt == 5_000_000)
        let ended = state { ($0.lastEnd, $0.endedAt) = (.closed, 1_000_000) }
        #expect(DeviceReport(ended, at: 5_000_000).orphaned == ended)
    }
}
