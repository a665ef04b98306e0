// A page that is left open: an hour of it, as fast as the gateway takes the pings.

import DroverClient
import EventLoop
import Foundation
import Testing

extension PageTests {
    @Suite(.serialized) struct OvernightTests {
        @Test
        func `an hour of a customer's map takes no more memory than its first minutes, and it is still connected`()
            throws
        {
            try withPages(["DROVER_LIVE_STALE_S": "600", "DROVER_LIVE_OFFLINE_S": "3600"]) { gateway, browser in
                try gateway.assign(["van-1"], to: "orders/9f2")
                _ = try gateway.call("PUT", "/v1/orders/9f2", "{\"destination\":{\"lat\":43.9,\"lng\":-79.3832}}")
                let start = SystemClock.wallMicroseconds() / 1_000 - 3_700_000
                let page = try Page(browser)
                defer { page.close() }
                try page.open(gateway.openSession(for: ["order:9f2"]).mapUrl)
                try page.wait("it waits", "document.getElementById('headline').innerText === 'A driver is assigned'")
                // Round and round a block, at 10 m/s.
                func place(_ second: Int) -> Place {
                    let angle = Double(second) / 100
                    func degrees(_ value: Double) -> Double { (value * 1e7).rounded() / 1e7 }
                    return Place(
                        lat: degrees(43.6532 + 0.009 * sin(angle)), lng: degrees(-79.3832 + 0.0124 * cos(angle)))
                }
                var early: PageMemory?
                for minute in 0..<60 {
                    // A few at a time, as a phone sends them that reports every second.
                    for first in stride(from: minute * 60, to: minute * 60 + 60, by: 4) {
                        try gateway.send(
                            "van-1",
                            (first..<first + 4).map { second in
                                let (from, to) = (place(second), place(second + 1))
                                let heading = atan2((to.lng - from.lng) * 0.7235, to.lat - from.lat) * 180 / .pi
                                return "\"recorded_at\":\(start + Int64(second) * 1_000),\"lat\":\(from.lat),"
                                    + "\"lng\":\(from.lng),\"speed\":10,\"heading\":\(heading < 0 ? heading + 360 : heading)"
                            })
                    }
                    let lat = place(minute * 60 + 59).lat
                    try page.wait("minute \(minute) is seen", "\(Page.marker("van-1"))?.targetLat === \(lat)")
                    if minute % 5 == 4 {
                        // The network goes and comes back.
                        try page.run("window.dispatchEvent(new Event('offline'))")
                        try page.run("window.dispatchEvent(new Event('online'))")
                        try page.wait("it is live", "droverTest.state() === 'live'")
                    }
                    // Ten minutes in the trail is as long as it gets.
                    if minute == 11 { early = try page.memory() }
                }
                expectFlat(try #require(early), try page.memory(), "the customer's page")
                #expect(try page.value("droverTest.state()") == "live")
                #expect(try page.value("droverTest.trail()", as: Int.self) <= 300)
                #expect(try page.value("document.querySelectorAll('.goal').length") == 1)
                #expect(page.complaints == [])
            }
        }
    }
}
