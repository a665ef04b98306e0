import Testing

@testable import Tracking

@Suite struct SubjectTests {
    @Test(arguments: [
        "driver:van-1", "order:9f2", "group:east", "area:43.6,-79.5,43.7,-79.3", "driver:a:b.c_d-E", "order:order:1",
        "area:-90,-180,90,180", "area:-10,170,10,-170", "area:0,0,0,0",
    ])
    func `a subject's name is what it was made of`(name: String) throws {
        #expect(try #require(Subject(name)).name == name)
    }

    @Test(arguments: [
        "", ":", "driver", "driver:", "driver: a", "driver:a b", "Driver:a", "order:ä", "truck:1", "group:a,b",
        "group:*",
        " driver:a", "driver:a\n", "order:" + String(repeating: "x", count: 65), "area:", "area:1,2,3",
        "area:1,2,3,4,5",
        "area:1,2,3,", "area:a,b,c,d", "area:2,0,1,0", "area:0,0,91,0", "area:-91,0,0,0", "area:0,181,1,0",
        "area:0,0,1,-181", "area:nan,0,1,1", "area:0,0,inf,1", "area:1e0,0,2,1", "area:0x1,0,2,1", "area: 0,0,1,1",
        "area:+1,0,2,1", "area:--1,0,2,1", "area:1-,0,2,1", "area:.,0,2,1", "area:0,0,1,1 ",
        "area:" + String(repeating: "0", count: 97) + ",0,1,1",
    ])
    func `what is no subject is none`(name: String) {
        #expect(Subject(name) == nil)
    }

    @Test func `an area is rounded to the precision that positions have`() throws {
        let box = try #require(Area("1.00000004,-2.00000006,3.5,4")).box
        #expect((box.south, box.west, box.north, box.east) == (10_000_000, -20_000_001, 35_000_000, 40_000_000))
    }

    @Test func `a box holds its border, and one across the antimeridian both sides of it`() throws {
        let box = try #require(Area("-5,170,5,-170")).box
        for (latitude, longitude, isInside) in [
            (0, 175, true), (0, -175, true), (0, 180, true), (0, -180, true), (5, 170, true), (-5, -170, true),
            (0, 0, false), (0, 169, false), (0, -169, false), (6, 175, false),
        ] as [(Degrees7, Degrees7, Bool)] {
            let place = "\(latitude), \(longitude)"
            #expect(
                box.contains(latitude: latitude * 10_000_000, longitude: longitude * 10_000_000) == isInside, "\(place)"
            )
        }
        let world = try #require(Area("-90,-180,90,180")).box
        #expect(world.contains(latitude: 900_000_000, longitude: 1_800_000_000) && world.contains(box))
        #expect(world.contains(latitude: -900_000_000, longitude: -1_800_000_000) && !box.contains(world))
    }

    /// Against places: whatever is in the inner box must be in the outer one.
    @Test func `a box that holds another holds all of its places`() throws {
        var random = SeededGenerator(seed: 7)
        func box() throws -> Box {
            let edge = [-180, -179, -90, -1, 0, 1, 90, 179, 180]
            let south = random.int(-3...2)
            return try #require(Area("\(south),\(random.pick(edge)),\(random.int(south...3)),\(random.pick(edge))")).box
        }
        var held = 0
        for _ in 0..<3_000 {
            let (outer, inner) = (try box(), try box())
            let isHeld = outer.contains(inner)
            if isHeld { held += 1 }
            var hasPlaceOutside = false
            for latitude in -3...3 {
                for longitude in stride(from: -360, through: 360, by: 1) {
                    let (north, east) = (Degrees7(latitude) * 10_000_000, Degrees7(longitude) * 5_000_000)
                    if inner.contains(latitude: north, longitude: east),
                        !outer.contains(latitude: north, longitude: east)
                    {
                        hasPlaceOutside = true
                    }
                }
            }
            // The converse holds too but for boxes that end at the antimeridian from one side.
            #expect(!isHeld || !hasPlaceOutside, "\(outer) \(inner)")
        }
        #expect(held > 100)
    }

    @Test func `a scope names subjects by themselves, by a prefix, and areas inside its own`() throws {
        let scope = try #require(SubjectScope(["driver:van-1", "order:east-*", "group:*", "area:10,10,20,20"]))
        let named = [
            "driver:van-1", "order:east-", "order:east-1", "group:x", "area:10,10,20,20", "area:11,11,12,12",
            "area:10.0,10,20,20",
        ]
        let unnamed = [
            "driver:van-10", "driver:van", "order:eas", "order:west-1", "area:9,10,20,20", "area:11,20,12,11",
            "area:10,10,20,20.0000001",
        ]
        for name in named { #expect(scope.names(try #require(Subject(name))), "\(name)") }
        for name in unnamed { #expect(!scope.names(try #require(Subject(name))), "\(name)") }
        #expect(scope.containers.isEmpty && scope.areas.count == 1)
        #expect(try #require(SubjectScope([])).names(.driver(try #require(DriverID("a")))) == false)
    }

    @Test(arguments: [
        "*", "**", "van*", "truck:*", "area:1*", "area:1,1,2,2*", "driver:a*b", "driver:a b*", "order:", "order:é*", "",
    ])
    func `a scope takes only what can begin or be a subject's name`(name: String) {
        #expect(SubjectScope(["driver:a", name]) == nil)
    }

    @Test(arguments: [
        ("0:0", true), ("4294967295:18446744073709551615", true), ("7:12", true), ("", false), (":", false),
        ("1", false), ("1:", false), (":1", false), ("1:2:3", false), ("-1:2", false), ("1:-2", false), ("a:b", false),
        ("4294967296:1", false), ("1:18446744073709551616", false), ("1:2 ", false), ("1.0:2", false),
        (String(repeating: "0", count: 39) + ":1", false),
    ])
    func `a cursor is two numbers`(text: String, isCursor: Bool) {
        #expect((Cursor(text) != nil) == isCursor)
    }
}
