// Positions over HTTP: of one driver, near a point, within a box.

import DroverClient
import Testing

extension Integration {
    @Suite("GET /v1/drivers")
    struct PositionRoutes {
        @Test func `a driver's newest position, or 404`() throws {
            let shared = try SharedGateway.get()
            let at = now() - 5_000
            try shared.gateway.post(
                [TestPing("route-1", at: at, latitude: 1.5, longitude: -2.25, accuracy: 7.5, heading: 359.9999)],
                token: shared.key)
            let response = try shared.gateway.http("GET", "/v1/drivers/route-1/position", token: shared.key)
            #expect(response.status == 200)
            #expect(response.header("Cache-Control") == "no-store")
            let position = try JSON(parsing: response.text)
            #expect(position["driver_id"].string == "route-1")
            #expect(position["recorded_at"].integer == at)
            #expect(position["lat"].number == 1.5)
            #expect(position["lng"].number == -2.25)
            #expect(position["accuracy"].number == 7.5)
            #expect(try #require(position["heading"].number) < 360)
            #expect(!position.names.contains("speed"))
            for path in ["/v1/drivers/route-none/position", "/v1/drivers/a%20b/position", "/v1/drivers/%20/position"] {
                #expect(try shared.gateway.http("GET", path, token: shared.key).status == 404)
            }
            // Slashes in a row are one: this asks for the state of a driver called position, which the key may not.
            #expect(try shared.gateway.http("GET", "/v1/drivers//position", token: shared.key).status == 403)
            let writer = try shared.gateway.key("pings:write")
            #expect(try shared.gateway.http("GET", "/v1/drivers/route-1/position", token: writer).status == 403)
            #expect(try shared.gateway.http("GET", "/v1/drivers/route-1/position").status == 401)
        }

        @Test func `drivers near a point come nearest first with their distance`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            let at = now() - 5_000
            // A degree of latitude is some 111.2 km on the sphere: 0.001° is 111 m.
            let steps = [3, 1, 4, 2, 30]
            try gateway.post(
                steps.map { TestPing("near-\($0)", at: at, latitude: 60 + Double($0) * 0.001, longitude: 20) },
                token: key)
            func ask(_ query: String) throws -> [JSON] {
                let response = try gateway.http("GET", "/v1/drivers?\(query)", token: key)
                #expect(response.status == 200, "\(response.text)")
                return try JSON(parsing: response.text)["drivers"].array
            }
            let near = try ask("near=60,20")
            #expect(near.map { $0["driver_id"].string } == ["near-1", "near-2", "near-3", "near-4"])
            for (index, driver) in near.enumerated() {
                let distance = try #require(driver["distance_m"].number)
                #expect(abs(distance - 111.2 * Double(index + 1)) < 1)
                #expect(driver["recorded_at"].integer == at)
            }
            #expect(try ask("near=60,20&limit=2").map { $0["driver_id"].string } == ["near-1", "near-2"])
            #expect(try ask("near=60,20&radius_m=150").count == 1)
            #expect(try ask("near=60,20&radius_m=10000").count == 5)
            #expect(try ask("near=-60,20").isEmpty)
        }

        @Test func `a box may span the antimeridian`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key()
            let at = now() - 5_000
            try gateway.post(
                [
                    TestPing("fiji-west", at: at, latitude: -17, longitude: 179.9),
                    TestPing("fiji-east", at: at, latitude: -17, longitude: -179.9),
                    TestPing("far", at: at, latitude: -17, longitude: 0.5),
                    TestPing("north", at: at, latitude: 17, longitude: 179.9),
                ], token: key)
            func ask(_ box: String) throws -> Set<String> {
                let response = try gateway.http("GET", "/v1/drivers?area=\(box)", token: key)
                return Set(try JSON(parsing: response.text)["drivers"].array.compactMap { $0["driver_id"].string })
            }
            #expect(try ask("-18,179,-16,-179") == ["fiji-west", "fiji-east"])
            #expect(try ask("-18,-180,-16,180") == ["fiji-west", "fiji-east", "far"])
            #expect(try ask("-18,179,-16,180") == ["fiji-west"])
            #expect(try ask("-90,-180,90,180").count == 4)
            let near = try gateway.http("GET", "/v1/drivers?near=-17,-180&radius_m=50000", token: key)
            #expect(try JSON(parsing: near.text)["drivers"].array.count == 2)
        }

        @Test(arguments: [
            "", "near=60", "near=60,20,1", "near=91,20", "near=60,181", "near=nan,20", "near=60,x",
            "near=60,20&limit=0",
            "near=60,20&limit=x", "near=60,20&radius_m=0", "near=60,20&radius_m=-5", "near=60,20&radius_m=inf",
            "area=1,2,3", "area=2,1,1,2", "area=-91,0,1,1", "area=0,0,1,181", "area=0,0,1,nan", "near=1e400,0",
        ])
        func `a question that makes no sense is a 400`(query: String) throws {
            let shared = try SharedGateway.get()
            let response = try shared.gateway.http("GET", "/v1/drivers?\(query)", token: shared.key)
            #expect(response.status == 400, "\(response.text)")
            #expect(try JSON(parsing: response.text)["code"].string == "bad_request")
        }
    }
}
