// What /drover.js gives to a page of somebody's own, beyond what the two maps show of it.

import Foundation
import Testing

extension PageTests {
    @Suite(.serialized) struct ClientTests {
        /// Opens a client for a session in the page, as `client`, which notes in `got` what it is told.
        private static func open(_ page: Page, _ gateway: GatewayFixture, _ session: GatewayFixture.Session) throws {
            try page.open("\(gateway.address)/assets/settings.json")
            try page.wait("the page is there", "document.body.innerText.includes('tile_url')")
            _ = try page.value(
                """
                import("/drover.js").then(({ DroverClient }) => {
                  window.client = new DroverClient({ token: "\(session.token)" });
                  window.got = [];
                  client.on("positions", ({ positions, snapshot }) => {
                    for (const { driver_id, lat } of positions) got.push({ driverId: driver_id, lat, isSnapshot: snapshot });
                  });
                  client.on("left", ({ left }) => got.push(...left.map(({ driver_id, gone }) => ({ driverId: driver_id, gone }))));
                  client.connect();
                  return client.subscribe(["order:9f2"]).then(() => true);
                })
                """, as: Bool.self)
        }

        private struct News: Decodable, Equatable {
            var driverId: String
            var lat: Double?
            var isSnapshot: Bool?
            var gone: Bool?
        }

        @Test func `what was missed while the connection was away is told in its order`() throws {
            try withPages { gateway, browser in
                try gateway.assign(["van-1"], to: "orders/9f2")
                try gateway.ping("van-1", at: toronto, secondsAgo: 20)
                let page = try Page(browser)
                defer { page.close() }
                try Self.open(page, gateway, gateway.openSession(for: ["order:9f2"]))
                try page.run("window.dispatchEvent(new Event('offline'))")
                #expect(try page.value("client.state.name") == "waiting")
                let lats = [43.6534, 43.6536, 43.6538]
                for (index, lat) in lats.enumerated() {
                    try gateway.ping("van-1", at: Place(lat: lat, lng: toronto.lng), secondsAgo: Double(10 - index))
                }
                try page.run("window.dispatchEvent(new Event('online'))")
                try page.wait("all is told", "got.length >= 4")
                #expect(page.requested.filter { $0.hasSuffix(".js") } == ["\(gateway.address)/drover.js"], "one piece")
                let expected = [News(driverId: "van-1", lat: toronto.lat, isSnapshot: true)]
                #expect(
                    try page.value("got", as: [News].self) == expected
                        + lats.map { News(driverId: "van-1", lat: $0, isSnapshot: false) })
            }
        }

        @Test func `who left while the gateway was away is told to have left`() throws {
            try withPages { gateway, browser in
                try gateway.assign(["van-1", "van-2"], to: "orders/9f2")
                for driver in ["van-1", "van-2"] { try gateway.ping(driver, at: toronto) }
                let page = try Page(browser)
                defer { page.close() }
                try Self.open(page, gateway, gateway.openSession(for: ["order:9f2"]))
                gateway.kill()
                try page.wait("it is away", "client.state.name === 'waiting'")
                try gateway.start()
                try gateway.assign(["van-2"], to: "orders/9f2")
                try page.wait("it is back and told", "got.some(({ gone }) => gone)")
                #expect(
                    try page.value("got.filter(({ gone }) => gone !== undefined)", as: [News].self)
                        == [News(driverId: "van-1", gone: true)])
            }
        }

        @Test func `another token renews the permission without a break`() throws {
            try withPages { gateway, browser in
                let page = try Page(browser)
                defer { page.close() }
                let first = try gateway.openSession(for: ["order:9f2"], seconds: 5)
                try Self.open(page, gateway, first)
                let end: Int64 = try page.value("client.terms.expires_at")
                #expect(try page.value("client.terms.subjects") == ["order:9f2"])
                let second = try gateway.openSession(for: ["order:9f2"], seconds: 600)
                let later: Int64 = try page.value("client.renew(\"\(second.token)\").then((terms) => terms.expires_at)")
                #expect(later > end + 500_000)
                try page.wait("the first one's end is over", "client.serverNow() > \(end) + 1000")
                #expect(try page.value("client.state.name") == "live")
                try gateway.assign(["van-1"], to: "orders/9f2")
                try gateway.ping("van-1", at: toronto)
                try page.wait("it goes on", "got.some(({ lat }) => lat === \(toronto.lat))")
                #expect(page.requested.filter { $0.hasPrefix("ws://") }.count == 1)
                // One that is no good ends it, and says so to whoever asked.
                let wrong =
                    "client.renew('drt_0000000000000000000000000000000000000000000').catch(({ message }) => message)"
                #expect(try page.value(wrong, as: String.self).contains("4401"))
                #expect(try page.value("client.state.name") == "closed")
            }
        }
    }
}
