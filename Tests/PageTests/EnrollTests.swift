// The set-up page of a device: what it shows, that its codes are read off the screen, and that its token stays with it.

import DroverClient
import Foundation
import LocalServers
import Testing

extension PageTests {
    @Suite(.serialized) struct EnrollTests {
        /// A device as `POST …/devices` answers.
        private struct Made: Decodable {
            let id: String
            let token: String
            let enrollUrl: String
            let apps: [App]

            struct App: Decodable {
                let app: String
                let name: String
                let link: String?
                let file: File?
            }
            struct File: Decodable {
                let name: String
                let content: String
            }

            func app(_ name: String) throws -> App {
                try #require(apps.first { $0.app == name })
            }
        }

        private static func ask(
            _ gateway: GatewayFixture, _ method: String, _ path: String, key: String, _ body: String? = nil
        ) throws -> HTTPResponse {
            try HTTPClient.request(
                method, gateway.address + path,
                headers: [("Authorization", "Bearer \(key)"), ("Content-Type", "application/json")], body: body)
        }

        private static func make(_ gateway: GatewayFixture, _ driver: String, key: String) throws -> Made {
            let response = try ask(gateway, "POST", "/v1/drivers/\(driver)/devices", key: key, "{\"name\":\"phone\"}")
            try #require(response.status == 201, "\(response.text)")
            return try decodeJSON(Made.self, response.text)
        }

        /// The texts of the codes that are seen on the page.
        private static func codes(on page: Page) throws -> [String] {
            let directory = try TemporaryDirectory(prefix: "qr")
            defer { directory.remove() }
            let path = "\(directory.path)/page.png"
            try page.takePicture(path)
            let result = try Command.run(["sh", "-c", "zbarimg --quiet --raw \"$0\" 2>/dev/null", path])
            return result.output.split(separator: "\n").map(String.init)
        }

        private static func choose(_ app: String, on page: Page) throws {
            try page.run("document.querySelector('input[value=\(app)]').click()")
        }

        @Test func `it shows each app's code, link, file and settings, and a camera reads the code`() throws {
            try withPages { gateway, browser in
                let key = try gateway.makeKey(named: "devices", permissions: "devices:write")
                let made = try Self.make(gateway, "van-12", key: key)
                let page = try Page(browser, .init(isStill: true))
                defer { page.close() }
                try page.open(made.enrollUrl)
                try page.wait("it shows the first app", "document.getElementById('app-name').innerText === 'OwnTracks'")
                #expect(try page.value("location.href") == "\(gateway.address)/enroll")
                #expect(try page.text("#whose") == "It will report as van-12.")
                #expect(
                    try page.value("[...document.querySelectorAll('#choices input')].map((radio) => radio.value)")
                        == made.apps.map(\.app))
                #expect(try page.value("document.getElementById('link').href") == made.app("owntracks").link)
                #expect(try page.value("document.querySelectorAll('#steps li').length") == 3)
                #expect(try Self.codes(on: page) == [try #require(made.app("owntracks").link)])
                #expect(
                    try page.value("document.querySelector('#code svg title').textContent")
                        == "Set-up link of OwnTracks")

                // A camera that opens only web addresses gets this page's.
                try page.run("document.getElementById('swap').click()")
                #expect(try Self.codes(on: page) == [made.enrollUrl])
                #expect(try page.text("#caption") == "Scan to open this page on the phone")

                for name in ["overland", "traccar", "browser"] {
                    try Self.choose(name, on: page)
                    #expect(try Self.codes(on: page) == [try #require(made.app(name).link)], "\(name)")
                }
                // One without a link offers its file, and the code of this page.
                try Self.choose("gpslogger", on: page)
                #expect(try page.value("document.getElementById('link').hidden"))
                #expect(try page.text("#file") == "Download drover.properties")
                #expect(try page.value("document.getElementById('file').download") == "drover.properties")
                let profile = try made.app("gpslogger").file?.name
                #expect(profile == "drover.properties")
                #expect(try Self.codes(on: page) == [made.enrollUrl])
            }
        }

        @Test func `the token is in no address, storage of others, log or text until it is shown`() throws {
            try withPages { gateway, browser in
                let key = try gateway.makeKey(named: "devices", permissions: "devices:write")
                let made = try Self.make(gateway, "van-12", key: key)
                let page = try Page(browser, .init(isStill: true))
                defer { page.close() }
                try page.open(made.enrollUrl)
                try page.wait("it is there", "!document.getElementById('app').hidden")
                let secret = made.token.dropFirst("drd_".count)
                #expect(page.requested.filter { $0.contains(secret) } == [])
                #expect(
                    page.requestHeaders.allSatisfy {
                        $0.values.allSatisfy { !$0.contains(secret) || $0 == "Bearer \(made.token)" }
                    })
                #expect(!gateway.log.contains(secret))
                try page.run("document.getElementById('by-hand').open = true")
                #expect(try page.text("#settings").contains("van-12"))
                #expect(try !page.value("document.body.innerText.includes('\(secret)')"))
                try page.run("document.querySelector('#settings button[aria-pressed]').click()")
                #expect(try page.value("document.body.innerText.includes('\(secret)')"))
                try page.run("document.querySelector('#settings button[aria-pressed]').click()")
                #expect(try !page.value("document.body.innerText.includes('\(secret)')"))
                // After a reload it is still this device's.
                try page.run("window.isOld = true")
                try page.call("Page.reload")
                try page.wait(
                    "it is there again", "window.isOld === undefined && !document.getElementById('app').hidden")
                #expect(page.complaints == [])
            }
        }

        @Test func `the apps are chosen with the keyboard`() throws {
            try withPages { gateway, browser in
                let key = try gateway.makeKey(named: "devices", permissions: "devices:write")
                let page = try Page(browser, .init(isStill: true))
                defer { page.close() }
                try page.open(Self.make(gateway, "van-12", key: key).enrollUrl)
                try page.wait("it is there", "!document.getElementById('app').hidden")
                try page.run("document.querySelector('#choices input').focus()")
                try page.press("ArrowRight")
                try page.wait("the next", "document.getElementById('app-name').innerText === 'Overland'")
                #expect(try page.value("document.activeElement.value") == "overland")
                #expect(try page.value("document.getElementById('said').textContent") == "Set-up of Overland")
                try page.press("ArrowLeft")
                try page.wait("the one before", "document.getElementById('app-name').innerText === 'OwnTracks'")
                #expect(page.complaints == [])
            }
        }

        @Test func `a revoked device, a wrong token and no token are told apart from each other, in words`() throws {
            try withPages { gateway, browser in
                let key = try gateway.makeKey(named: "devices", permissions: "devices:write")
                let made = try Self.make(gateway, "van-12", key: key)
                let revoked = try Self.ask(gateway, "DELETE", "/v1/drivers/van-12/devices/\(made.id)", key: key)
                #expect(revoked.status == 204)
                for (address, words) in [
                    (made.enrollUrl, "not valid any more"),
                    (
                        "\(gateway.address)/enroll#token=drd_0000000000000000000000000000000000000000000",
                        "not valid any more"
                    ),
                    ("\(gateway.address)/enroll#token=\(gateway.key)", "no set-up link of a device"),
                    ("\(gateway.address)/enroll", "needs a set-up link"),
                ] {
                    let page = try Page(browser, .init(isStill: true))
                    defer { page.close() }
                    try page.open(address)
                    try page.wait(words, "document.getElementById('message').innerText.includes(`\(words)`)")
                    #expect(try page.value("document.getElementById('app').hidden"))
                    #expect(try page.value("location.hash") == "")
                }
            }
        }

        @Test func `it fits and is readable on phones and screens, light and dark`() throws {
            try withPages { gateway, browser in
                let key = try gateway.makeKey(named: "devices", permissions: "devices:write")
                let made = try Self.make(gateway, "van-12", key: key)
                for look in LayoutTests.looks {
                    let page = try Page(browser, look)
                    defer { page.close() }
                    try page.open(made.enrollUrl)
                    try page.wait("it is there", "!document.getElementById('app').hidden")
                    for app in ["owntracks", "gpslogger", "native"] {
                        try Self.choose(app, on: page)
                        try page.run("document.getElementById('by-hand').open = true")
                        #expect(
                            try page.value("document.scrollingElement.scrollWidth", as: Int.self) <= look.width,
                            "\(app) at \(look)")
                        #expect(try page.value(LayoutTests.faintTexts, as: [String].self) == [], "\(app) at \(look)")
                        try LayoutTests.takePicture(
                            of: page, "enroll-\(app)-\(look.width)-\(look.isDark ? "dark" : "light")")
                    }
                    #expect(page.complaints.filter { !$0.contains("willReadFrequently") } == [])
                }
            }
        }
    }
}
