// What happens to the key: asked for, kept in the tab, shown to nobody.

import Foundation
import Testing

extension PageTests {
    @Suite(.serialized) struct KeyTests {
        private static let wrongKey = "drk_0000000000000000000000000000000000000000000"

        @Test(arguments: MapPage.allCases)
        func `a wrong key is told and asked for again, the right one stays in the tab alone`(_ kind: MapPage) throws {
            try withPages { gateway, browser in
                try gateway.ping("van-1", at: toronto)
                let page = try Page(browser)
                defer { page.close() }
                try page.open(gateway.address(of: kind, token: Self.wrongKey, watching: ["van-1"]))
                try page.wait("it asks", "document.getElementById('key-dialog').open")
                #expect(try page.text("#key-message") == "This key is not known, or it has expired.")
                #expect(try page.value("droverTest.markers().length") == 0)
                try page.type(gateway.key)
                try page.waitForDrivers(1)
                #expect(try page.value("!document.getElementById('key-dialog').open"))
                try Self.expectKept(gateway.key, by: page, kind)

                try page.call("Page.reload")
                try page.wait("it is loaded anew", "performance.getEntriesByType('navigation')[0].type === 'reload'")
                try page.waitForDrivers(1)
                #expect(try page.value("!document.getElementById('key-dialog').open"))
                try page.expectSecret(gateway.key, gateway)
                try page.expectSecret(Self.wrongKey, gateway)
            }
        }

        @Test(arguments: MapPage.allCases)
        func `a key in the fragment leaves the address and shows nowhere`(_ kind: MapPage) throws {
            try withPages { gateway, browser in
                try gateway.ping("van-1", at: toronto)
                let page = try Page(browser)
                defer { page.close() }
                try page.open(gateway.address(of: kind, watching: ["van-1"]))
                try page.waitForDrivers(1)
                try Self.expectKept(gateway.key, by: page, kind)
                try page.expectSecret(gateway.key, gateway)
                // The live positions have it in their first frame; the fleet's groups are asked for by a header of its own.
                let isCarried = page.requestHeaders.contains { $0["authorization"] != nil }
                #expect(isCarried == (kind == .fleet))
            }
        }

        @Test func `a key without the permission is told so`() throws {
            try withPages { gateway, browser in
                let key = try gateway.makeKey(named: "device", permissions: "pings:write")
                for kind in MapPage.allCases {
                    let page = try Page(browser)
                    defer { page.close() }
                    try page.open(gateway.address(of: kind, token: key, watching: ["van-1"]))
                    try page.wait("it asks", "document.getElementById('key-dialog').open")
                    #expect(try page.text("#key-message").contains("may not see this map"))
                }
            }
        }

        @Test func `pages end with a key that is revoked`() throws {
            try withPages { gateway, browser in
                try gateway.ping("van-1", at: toronto)
                let key = try gateway.makeKey(named: "viewer", permissions: "positions:read")
                let pages = try MapPage.allCases.map { _ in try Page(browser) }
                defer { for page in pages { page.close() } }
                for (page, kind) in zip(pages, MapPage.allCases) {
                    try page.open(gateway.address(of: kind, token: key, watching: ["van-1"]))
                    try page.waitForDrivers(1)
                }
                try gateway.revokeKey(named: "viewer")
                try pages[0].wait("the fleet's page asks for another", "document.getElementById('key-dialog').open")
                #expect(try pages[0].value("droverTest.markers().length") == 0)
                try pages[1].wait("the map says so", "document.body.innerText.includes('revoked')")
                #expect(try pages[1].text("#connection") == "Not connected")
            }
        }

        /// The tab's storage has the key, the address does not.
        private static func expectKept(_ key: String, by page: Page, _ kind: MapPage) throws {
            struct Kept: Decodable {
                let token: String
                let subjects: [String]
            }
            let kept: Kept = try page.value("JSON.parse(sessionStorage.getItem('drover.\(kind.rawValue)'))")
            #expect(kept.token == key)
            #expect(kept.subjects == (kind == .map ? ["driver:van-1"] : []))
            #expect(try page.value("location.hash") == "")
            #expect(try page.value("location.search") == "")
            #expect(try page.value("localStorage.length") == 0)
            #expect(try page.value("document.cookie") == "")
        }
    }
}
