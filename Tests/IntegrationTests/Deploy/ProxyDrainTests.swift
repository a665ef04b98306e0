// Deploys behind a load balancer: gateways that stop, that are full, that are taken out, and a balancer that is reloaded.

import DroverClient
import Foundation
import Glibc
import LocalServers
import Testing

extension Integration {
    @Suite("Deploys behind a load balancer")
    struct DeploysBehindAProxy {
        @Test(arguments: ProxyKind.allCases)
        func `gateways are restarted one after the other, and no request is refused`(_ kind: ProxyKind) throws {
            let scene = try ProxyScene(kind)
            let viewers = try scene.viewerOfEach("driver:van-1")
            let start = now()
            var sent: Int64 = 0
            /// A read and a ping, each on a connection of its own.
            func pass() throws {
                sent += 1
                let read = try scene.proxy.http("GET", "/v1/drivers?near=43.65,-79.38", token: scene.key)
                try #require(read.status == 200, "\(read.text)")
                let ping = TestPing("van-1", at: start + sent, latitude: 43.65, longitude: -79.38)
                try #require(try scene.post(ping) == 200)
            }
            for _ in 0..<20 { try pass() }
            for gateway in scene.gateways {
                gateway.process?.signal(SIGTERM)
                while gateway.process?.isRunning == true { try pass() }
                for _ in 0..<50 { try pass() }
                #expect(gateway.process?.exitStatus == .exited(0))
                try gateway.start()
                try gateway.awaitStores()
                try eventually("the gateway gets pings again") {
                    try pass()
                    // A third request, so that reads and pings do not fall on one gateway each for ever.
                    _ = try scene.proxy.http("GET", "/healthz")
                    return try gateway.metric("drover_pings_received_total") > 0
                }
            }
            for viewer in viewers { #expect(try viewer.socket.closure().code == 1001) }
            let viewer = try scene.viewer("driver:van-1")
            sent += 1
            try scene.report(TestPing("van-1", at: start + sent, latitude: 43.65, longitude: -79.38))
            try eventually("a viewer who came back is shown the driver") { try viewer.hasSeen("van-1", start + sent) }
            for gateway in scene.gateways { try gateway.awaitHistory() }
            #expect(try scene.first.rows(of: "van-1") == Int(sent))
        }

        @Test(arguments: ProxyKind.allCases)
        func `a gateway that is killed costs nobody a request that may be sent again`(_ kind: ProxyKind) throws {
            let scene = try ProxyScene(kind)
            let start = now()
            for step in 0..<200 {
                if step == 50 { scene.second.kill() }
                #expect(try scene.post(TestPing("van-1", at: start + Int64(step))) == 200)
            }
            try scene.second.start()
            for gateway in scene.gateways { try gateway.awaitHistory() }
            #expect(try scene.first.rows(of: "van-1") == 200)
        }

        @Test(arguments: ProxyKind.allCases)
        func `a reload of the load balancer cuts no viewer off`(_ kind: ProxyKind) throws {
            let scene = try ProxyScene(kind)
            let viewer = try scene.viewer("driver:van-1")
            func show(_ viewer: ProxyViewer) throws {
                let at = now()
                try scene.report(TestPing("van-1", at: at))
                try eventually("the viewer is shown the driver") { try viewer.hasSeen("van-1", at) }
            }
            try show(viewer)
            for _ in 0..<3 {
                scene.proxy.reload()
                for _ in 0..<20 { #expect(try scene.post(TestPing("van-2", at: now())) == 200) }
                try show(viewer)
                try show(try scene.viewer("driver:van-1"))
            }
        }

        @Test func `HAProxy gives a gateway that is not ready nothing new and leaves it its viewers`() throws {
            let scene = try ProxyScene(
                .haproxy,
                settings: ["journal.limit_mib": "4", "journal.segment_mib": "1", "limits.key_pings_per_s": "0"],
                ownPostgres: true)
            let viewers = try scene.viewerOfEach("driver:van-1")
            for gateway in scene.gateways { try gateway.post([TestPing("van-1", at: now())], token: scene.key) }
            scene.first.postgres.stop()
            // Straight to the second, until its journal has no room for a single ping.
            var number = 0
            var size = 1_000
            try eventually("the journal is full") {
                number += 1
                let drive = TestPing.drive("filler-\(number)", from: now() - 2_000_000, count: size)
                let body = TestPing.array(drive)
                let status = try scene.second.http("POST", "/v1/pings", token: scene.key, body: body).status
                if status == 503, size > 1 { size /= 10 }
                return try scene.second.readiness().status == 503
            }
            try eventually("HAProxy has noticed") {
                try scene.proxy.administer("show servers state gateways").contains("gateway-2 127.0.0.1 0")
            }
            for _ in 0..<50 { #expect(try scene.post(TestPing("van-2", at: now())) == 200) }
            // Its viewers are still there, and alive.
            for viewer in viewers {
                viewer.socket.send("{\"id\":7,\"unsubscribe\":[\"driver:van-1\"]}")
                _ = try viewer.socket.json(with: "unsubscribed")
            }
            #expect(try scene.second.metric("drover_viewers") > 0)
            try scene.first.postgres.start()
            try eventually("it is ready again, and gets pings") {
                let before = try scene.second.metric("drover_pings_received_total")
                for _ in 0..<4 { _ = try scene.post(TestPing("van-2", at: now())) }
                return try scene.second.metric("drover_pings_received_total") > before
            }
        }

        @Test func `HAProxy takes a gateway out by hand, its viewers staying, and in again`() throws {
            let scene = try ProxyScene(.haproxy)
            let viewers = try scene.viewerOfEach("driver:van-1")
            _ = try scene.proxy.administer("set server gateways/gateway-1 state drain")
            let before = try scene.first.metric("drover_pings_received_total")
            for _ in 0..<20 { #expect(try scene.post(TestPing("van-2", at: now())) == 200) }
            #expect(try scene.first.metric("drover_pings_received_total") == before)
            let at = now()
            try scene.report(TestPing("van-1", at: at))
            try eventually("all viewers are shown the driver") {
                try viewers.map { try $0.hasSeen("van-1", at) }.allSatisfy { $0 }
            }
            _ = try scene.proxy.administer("set server gateways/gateway-1 state ready")
            try eventually("it gets pings again") {
                _ = try scene.post(TestPing("van-2", at: now()))
                return try scene.first.metric("drover_pings_received_total") > before + 1
            }
        }
    }
}
