// The fleet's page left open: an hour of a fleet that comes and goes, told in a minute.

import EventLoop
import Foundation
import Testing

extension PageTests {
    @Suite(.serialized) struct FleetNightTests {
        @Test func `an hour of drivers who come and go leaves the page as it was, and connected`() throws {
            // What is told is old by the clock, and not what is tested here.
            try withPages(["DROVER_LIVE_STALE_S": "7200", "DROVER_LIVE_OFFLINE_S": "14400"]) { gateway, browser in
                let everybody = crowdOfDrivers(400).map(\.driver)
                try gateway.assign(Array(everybody.prefix(300)), to: "groups/east")
                let session = try gateway.openSession(for: ["group:east"])
                let page = try Page(browser)
                defer { page.close() }
                try page.open(gateway.address(of: .fleet, token: session.token))
                try page.wait("it is live", "droverTest.state() === 'live'")
                let rounds = 180
                let secondsARound = 20
                var early: PageMemory?
                for round in 0..<rounds {
                    // A third of an hour fills the trails.
                    if round == rounds / 3 { early = try page.memory() }
                    let ago = Double((rounds - round) * secondsARound)
                    try gateway.ping(crowdOfDrivers(400, step: round), secondsAgo: ago)
                    // A hundred are away at a time, others each round.
                    let shift = round * 40 % 400
                    let away = Set((0..<100).map { everybody[(shift + $0) % 400] })
                    try gateway.assign(everybody.filter { !away.contains($0) }, to: "groups/east")
                    let place = crowdOfDrivers(400, step: round)[(shift + 150) % 400]
                    try page.wait(
                        "round \(round) is told",
                        "\(Page.marker(place.driver))?.targetLat === \(place.place.lat) && droverTest.markers().length === 300"
                    )
                    if round % 10 == 5 {
                        try page.run("document.querySelector('#drivers li').click()")
                        try page.press("Escape")
                    }
                }
                let late = try page.memory()
                print("the fleet's page after a third of an hour: \(try #require(early)); after an hour: \(late)")
                expectFlat(try #require(early), late, "the fleet's page")
                #expect(try page.value("droverTest.state()") == "live")
                #expect(page.requested.filter { $0.hasPrefix("ws://") }.count == 1, "one connection all the while")
                #expect(page.complaints == [])
            }
        }
    }
}
