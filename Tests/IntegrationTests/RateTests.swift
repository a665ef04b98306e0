// How often devices are asked to report, over `GET /v1/ingest`.

import DroverClient
import EventLoop
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("Report rates")
    struct Rates {
        /// The next time between two reports that the device is asked for.
        private func asked(_ device: WebSocketProbe, within seconds: Double = 10) throws -> Int64? {
            try device.json(with: "rate", within: seconds)["rate"]["interval_ms"].integer
        }

        @Test func `a device is asked to report more often while somebody watches`() throws {
            let gateway = try RunningGateway(
                settings: ["rates.watched_ms": "2000", "rates.near_ms": "2000", "rates.idle_ms": "20000"])
            let key = try gateway.masterKey()
            try gateway.awaitStores()
            let token = try gateway.deviceToken(driver: "van-1")
            let device = try gateway.ingest(token)
            #expect(try asked(device) == 20_000)
            #expect(try gateway.metric("drover_devices_asked{interval_ms=\"20000\"}") == 1)
            let viewer = try gateway.viewer(key)
            viewer.send("{\"id\":1,\"subscribe\":[\"driver:van-1\"]}")
            #expect(try asked(device) == 2_000)
            // Who connects while he is watched is told so at once.
            let second = try gateway.ingest(token)
            #expect(try asked(second) == 2_000)
            #expect(try gateway.metric("drover_devices_asked{interval_ms=\"2000\"}") == 2)
        }

        @Test func `those inside a watched area and those of a watched order are watched`() throws {
            let gateway = try RunningGateway(settings: ["rates.watched_ms": "2000", "rates.near_ms": "2000"])
            let key = try gateway.masterKey()
            try gateway.awaitStores()
            try gateway.post([TestPing("inside", at: now(), latitude: 43.65, longitude: -79.38)], token: key)
            try gateway.post([TestPing("outside", at: now(), latitude: 48, longitude: 11)], token: key)
            #expect(
                try gateway.http(
                    "PUT", "/v1/orders/o-1/drivers", token: key, headers: [("Content-Type", "application/json")],
                    body: "{\"drivers\":[\"carrier\"]}"
                ).status / 100 == 2)
            var devices: [String: WebSocketProbe] = [:]
            for driver in ["inside", "outside", "carrier"] {
                let device = try gateway.ingest(try gateway.deviceToken(driver: driver))
                #expect(try asked(device) == 15_000)
                devices[driver] = device
            }
            let viewer = try gateway.viewer(key)
            viewer.send("{\"id\":1,\"subscribe\":[\"area:43,-80,44,-79\",\"order:o-1\"]}")
            #expect(try asked(try #require(devices["inside"])) == 2_000)
            #expect(try asked(try #require(devices["carrier"])) == 2_000)
            #expect(try gateway.metric("drover_devices_asked{interval_ms=\"15000\"}") == 1)
        }

        @Test(.enabled(if: wantsLongTests)) func `half a minute after the last viewer has gone it is asked for less`()
            throws
        {
            let gateway = try RunningGateway()
            let key = try gateway.masterKey()
            try gateway.awaitStores()
            let device = try gateway.ingest(try gateway.deviceToken(driver: "van-1"))
            #expect(try asked(device) == 15_000)
            var viewer: WebSocketProbe? = try gateway.viewer(key)
            viewer?.send("{\"id\":1,\"subscribe\":[\"driver:van-1\"]}")
            #expect(try asked(device) == 3_000)
            let gone = SystemClock.monotonicMicroseconds()
            viewer = nil
            #expect(try asked(device, within: 45) == 15_000)
            #expect(SystemClock.monotonicMicroseconds() - gone >= 30_000_000)
        }

        @Test func `nothing is asked for where the steps are 0, nor of a backend`() throws {
            let gateway = try RunningGateway(
                settings: ["rates.watched_ms": "0", "rates.near_ms": "0", "rates.idle_ms": "0"])
            try gateway.awaitStores()
            let device = try gateway.ingest(try gateway.deviceToken(driver: "van-1"))
            let backend = try SharedGateway.get()
            let bridge = try backend.gateway.ingest(backend.key)
            device.send(TestPing(nil, at: now()).json)
            bridge.send(TestPing("rates-bridge", at: now()).json)
            #expect(try device.next().isAcknowledgement)
            #expect(try bridge.next().isAcknowledgement)
        }
    }
}

extension WebSocketProbe.Message {
    fileprivate var isAcknowledgement: Bool {
        if case .text(let text) = self { text.hasPrefix("{\"ack\"") } else { false }
    }
}
