// The pages in a platform's words, as its file has them.

import Testing

extension PageTests {
    @Suite(.serialized) struct WordsTests {
        private static let file = """
            system:
              words: { driver: agent/agents, order: delivery/deliveries, group: depot/depots }
            """

        @Test func `a link for a delivery speaks of agents`() throws {
            try withPages(file: Self.file) { gateway, browser in
                let session = try gateway.openSession(for: ["delivery:9f2"])
                let page = try Page(browser, .init(isStill: true))
                defer { page.close() }
                try page.open(session.mapUrl)
                try page.wait("it waits", "document.getElementById('headline').innerText === 'Waiting for an agent'")
                #expect(try page.text("#topic") == "Delivery 9f2")
                try gateway.assign(["van-1"], to: "deliveries/9f2")
                try page.wait("it knows", "document.getElementById('headline').innerText === 'An agent is assigned'")
                try gateway.ping("van-1", at: toronto)
                try page.waitForArrival(of: "van-1", at: toronto)
                try page.wait(
                    "it says so", "document.getElementById('headline').innerText === 'Your agent is on the way'")
                #expect(page.complaints == [])
            }
        }

        @Test func `a map watches what its address names in those words, and the fleet finds agents`() throws {
            try withPages(file: Self.file) { gateway, browser in
                try gateway.assign(["van-1"], to: "depots/east")
                try gateway.ping("van-1", at: toronto)
                try gateway.ping("van-2", at: toronto)
                let page = try Page(browser, .init(isStill: true))
                defer { page.close() }
                try page.open(gateway.address(of: .map) + "&subjects=depot:east")
                try page.waitForDrivers(1)
                try page.waitForArrival(of: "van-1", at: toronto)
                // It leaves the depot: the departure is told under Drover's name, and understood.
                try gateway.assign([], to: "depots/east")
                try page.waitForDrivers(0)
                try page.open(gateway.address(of: .fleet))
                try page.waitForDrivers(2)
                #expect(try page.value("document.getElementById('search').placeholder") == "Find an agent")
                #expect(try page.value("document.getElementById('side').getAttribute('aria-label')") == "Agents")
                #expect(page.complaints == [])
            }
        }
    }
}
