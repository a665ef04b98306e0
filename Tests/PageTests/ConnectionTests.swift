// What a page does when the gateway goes, and when it is back.

import Testing

extension PageTests {
    @Suite(.serialized) struct ConnectionTests {
        @Test(arguments: [true, false])
        func `pages say that the gateway is gone, and go on without a reload`(isCrash: Bool) throws {
            try withPages { gateway, browser in
                try gateway.ping("van-1", at: toronto, secondsAgo: 30)
                let pages = try MapPage.allCases.map { _ in try Page(browser, .init(isStill: true)) }
                defer { for page in pages { page.close() } }
                for (page, kind) in zip(pages, MapPage.allCases) {
                    try page.open(gateway.address(of: kind, watching: ["van-1"]))
                    try page.waitForDrivers(1)
                    // The connection is, the driver of half a minute ago is not.
                    #expect(try page.text("#connection") == (kind == .fleet ? "Live" : "Connected"))
                    try page.run("window.isUntouched = true")
                }
                if isCrash { gateway.kill() } else { gateway.stop() }
                for page in pages {
                    try page.wait(
                        "it says so", "document.getElementById('connection').innerText.includes('Reconnecting')")
                    try page.wait("the lamp tells", "document.getElementById('connection').dataset.state === 'waiting'")
                    #expect(try page.value("droverTest.markers().length") == 1, "what was known stays")
                }

                try gateway.start()
                let newest = Place(lat: 43.6551, lng: -79.3806)
                try gateway.ping("van-1", at: newest)
                for page in pages {
                    try page.wait("it is live again", "droverTest.state() === 'live'")
                    try page.waitForArrival(of: "van-1", at: newest)
                    #expect(try page.text("#connection") == "Live")
                    #expect(try page.value("window.isUntouched === true"))
                }
                try pages[0].wait("the fleet's questions are answered", "document.getElementById('notice').hidden")
                // And what comes now is pushed again.
                let next = Place(lat: 43.6552, lng: -79.3806)
                try gateway.ping("van-1", at: next)
                for page in pages { try page.waitForArrival(of: "van-1", at: next) }
            }
        }
    }
}
