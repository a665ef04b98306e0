// What the difference between the kernel's bytes and the seen ones says.

import Testing

@testable import WebServer

@Suite("Unseen traffic")
struct UnseenTrafficTests {
    private var begun: UnseenTraffic {
        var traffic = UnseenTraffic()
        traffic.begin(head: 200, received: 230, second: 10)
        return traffic
    }

    private func look(_ traffic: inout UnseenTraffic, _ received: Int, _ second: Int) -> UnseenTraffic.Finding {
        traffic.look(received: received, missing: 0, second: second, patience: 10, isEncrypted: false)
    }

    @Test func `frames that were seen, and a ping now and then, are nothing`() {
        var traffic = begun
        for (payload, header) in [(0, 6), (125, 6), (126, 8), (65_535, 8), (65_536, 14)] {
            traffic.sawFrame(payload)
            let before = traffic.explained
            traffic.sawFrame(payload)
            #expect(traffic.explained - before == payload + header)
        }
        var received = traffic.explained
        for second in 11..<40 {
            received += 131
            #expect(look(&traffic, received, second) == .nothing)
        }
    }

    @Test func `a flood of pings is one by the second`() {
        var traffic = begun
        #expect(look(&traffic, 200 + 4_096 * 10, 20) == .nothing)
        #expect(look(&traffic, 200 + 4_096 * 20 + 1, 30) == .flood)
    }

    @Test func `the beginning of a frame has as long as a message`() {
        var traffic = begun
        #expect(look(&traffic, 203, 15) == .nothing)
        #expect(look(&traffic, 203, 24) == .nothing)
        #expect(look(&traffic, 203, 25) == .halfFrame)
        traffic.sawFrame(4)
        #expect(look(&traffic, 210, 30) == .nothing)
        #expect(look(&traffic, 210, 60) == .nothing)
    }

    @Test func `frames without a mask leave less than nothing, where the beginning is known`() {
        var traffic = begun
        traffic.sawFrame(10)
        #expect(look(&traffic, 212, 20) == .unmasked)
        traffic = UnseenTraffic()
        traffic.begin(head: nil, received: 500, second: 10)
        traffic.sawFrame(10)
        #expect(look(&traffic, 500, 20) == .nothing)
    }

    @Test func `a frame that is still arriving is nothing`() {
        var traffic = begun
        traffic.sawFrame(5_000)
        let first = traffic.look(
            received: 200 + 8 + 3_000, missing: 2_000, second: 20, patience: 10, isEncrypted: false)
        #expect(first == .nothing)
        #expect(look(&traffic, 200 + 8 + 5_000, 30) == .nothing)
        #expect(look(&traffic, 200 + 8 + 5_000 + 3, 31) == .nothing)
        #expect(look(&traffic, 200 + 8 + 5_000 + 3, 41) == .halfFrame)
    }

    @Test func `under TLS only a flood can be told`() {
        var traffic = UnseenTraffic()
        traffic.begin(head: nil, received: 500, second: 10)
        #expect(traffic.look(received: 503, missing: 0, second: 60, patience: 10, isEncrypted: true) == .nothing)
        #expect(traffic.look(received: 10_000_000, missing: 0, second: 70, patience: 10, isEncrypted: true) == .flood)
    }
}
