// What is served beside the API: pages, scripts, styles, descriptions, with their headers.

import DroverClient
import Foundation
import Testing

extension PageTests {
    @Suite(.serialized) struct DocumentTests {
        private static let types = [
            "/map": "text/html; charset=utf-8", "/fleet": "text/html; charset=utf-8",
            "/driver": "text/html; charset=utf-8",
            "/drover.js": "text/javascript; charset=utf-8",
            "/drover.d.ts": "application/typescript; charset=utf-8",
            "/assets/leaflet/leaflet.js": "text/javascript; charset=utf-8",
            "/assets/pages.css": "text/css; charset=utf-8", "/assets/leaflet/leaflet.css": "text/css; charset=utf-8",
            "/assets/leaflet/images/layers.png": "image/png", "/assets/settings.json": "application/json",
            "/openapi.yaml": "application/yaml", "/asyncapi.yaml": "application/yaml",
        ]

        @Test func `documents come with their type, a tag, and headers that keep them harmless`() throws {
            let gateway = try GatewayFixture()
            defer { gateway.remove() }
            for (path, type) in Self.types {
                let response = try HTTPClient.request("GET", gateway.address + path)
                #expect(response.status == 200, "\(path)")
                #expect(response.header("Content-Type") == type, "\(path)")
                #expect(!response.body.isEmpty, "\(path)")
                #expect(response.header("X-Content-Type-Options") == "nosniff", "\(path)")
                #expect(response.header("Referrer-Policy") == "no-referrer", "\(path)")
                let policy = response.header("Content-Security-Policy") ?? ""
                for part in ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"]
                {
                    #expect(policy.contains(part), "\(path)")
                }
                #expect(!policy.contains("unsafe"), "\(path)")

                let tag = try #require(response.header("ETag"), "\(path)")
                let again = try HTTPClient.request("GET", gateway.address + path, headers: [("If-None-Match", tag)])
                #expect(again.status == 304 && again.body.isEmpty && again.header("ETag") == tag, "\(path)")
                #expect(again.header("Cache-Control") == response.header("Cache-Control"), "\(path)")
                let weak = try HTTPClient.request(
                    "GET", gateway.address + path, headers: [("If-None-Match", "\"other\", W/\(tag)")])
                #expect(weak.status == 304, "\(path)")
                let other = try HTTPClient.request(
                    "GET", gateway.address + path, headers: [("If-None-Match", "\"other\"")])
                #expect(other.status == 200 && other.body == response.body, "\(path)")
                let head = try HTTPClient.request("HEAD", gateway.address + path)
                #expect(head.status == 200 && head.body.isEmpty && head.header("ETag") == tag, "\(path)")
                #expect(head.header("Content-Length") == String(response.body.count), "\(path)")

                let post = try HTTPClient.request("POST", gateway.address + path, body: "")
                #expect(post.status == 405 && post.header("Allow") == "GET", "\(path)")
            }
        }

        /// How a document of a type refers to another one.
        private static let references = [
            "text/html": #"(?:src|href)="([^"]+)"#, "text/javascript": #"(?m)^(?:import|\}) .*from "([^"]+)";$"#,
            "text/css": #"url\(["']?([^"')]+)"#,
        ]

        @Test func `everything a page refers to is there`() throws {
            let gateway = try GatewayFixture()
            defer { gateway.remove() }
            var seen: Set<String> = []
            var left = ["/map", "/fleet", "/driver"]
            while let path = left.popLast() {
                guard seen.insert(path).inserted else { continue }
                let response = try HTTPClient.request("GET", gateway.address + path)
                #expect(response.status == 200, "\(path)")
                let type = response.header("Content-Type")?.prefix { $0 != ";" } ?? ""
                guard let reference = Self.references[String(type)] else { continue }
                for match in response.text.matches(of: try Regex(reference)) {
                    let found = String(match.output[1].substring ?? "")
                    guard !found.contains(":"), !found.hasPrefix("#") else { continue }
                    let target = URL(string: found, relativeTo: URL(string: gateway.address + path))
                    left.append(try #require(target, "\(found) in \(path)").path)
                }
            }
            #expect(
                seen.isSuperset(of: [
                    "/drover.js", "/assets/rows.js", "/assets/day.js", "/assets/day.css", "/assets/fleet-layer.js",
                    "/assets/leaflet/images/layers.png", "/assets/driver-queue.js", "/assets/timing.js",
                ]))
        }

        @Test func `settings reach the pages, the root leads to the fleet, and other addresses are told apart`() throws
        {
            let gateway = try GatewayFixture(["DROVER_LIVE_STALE_S": "7", "DROVER_LIVE_OFFLINE_S": "11"])
            defer { gateway.remove() }
            struct Settings: Decodable {
                let tileUrl: String?
                let staleS: Int
                let offlineS: Int
                let center: [Double]
            }
            let text = try HTTPClient.request("GET", "\(gateway.address)/assets/settings.json").text
            let settings = try decodeJSON(Settings.self, text)
            #expect(settings.tileUrl == nil && settings.staleS == 7 && settings.offlineS == 11)
            #expect(settings.center.count == 2)
            let root = try HTTPClient.request("GET", "\(gateway.address)/")
            #expect(root.status == 302 && root.header("Location") == "/fleet")
            for path in ["/assets/", "/assets/none.js", "/assets/leaflet/../../Package.swift", "/fleet/"] {
                let response = try HTTPClient.request("GET", gateway.address + path)
                #expect(response.status == 404, "\(path)")
                #expect(response.header("Content-Type") == "application/problem+json", "\(path)")
            }
        }
    }
}
