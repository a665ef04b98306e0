// What an export has to satisfy: the schema of GPX tracks and RFC 7946, checked by others than the gateway's own code.

import Foundation
import LocalServers
import Testing

/// GPX 1.1, by xmllint (Debian's libxml2-utils).
///
/// The schemas state what http://www.topografix.com/GPX/1/1/gpx.xsd and Garmin's
/// http://www8.garmin.com/xmlschemas/TrackPointExtensionv2.xsd demand of tracks: elements, order, types and ranges. Routes,
/// waypoints and metadata, which an export has none of, are left out. In one thing they are stricter: whatever stands in
/// `extensions` must be declared, so that Garmin's order is checked, too.
enum GPXSchema {
    private static let track = """
        <xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns="http://www.topografix.com/GPX/1/1"
            targetNamespace="http://www.topografix.com/GPX/1/1" elementFormDefault="qualified">
        <xsd:import namespace="http://www.garmin.com/xmlschemas/TrackPointExtension/v2" schemaLocation="garmin.xsd"/>
        <xsd:import namespace="urn:drover:gpx:1" schemaLocation="drover.xsd"/>
        <xsd:element name="gpx"><xsd:complexType>
          <xsd:sequence>
            <xsd:element name="trk" type="track" minOccurs="0" maxOccurs="unbounded"/>
            <xsd:element name="extensions" type="extensions" minOccurs="0"/>
          </xsd:sequence>
          <xsd:attribute name="version" type="xsd:string" use="required" fixed="1.1"/>
          <xsd:attribute name="creator" type="xsd:string" use="required"/>
        </xsd:complexType></xsd:element>
        <xsd:complexType name="track"><xsd:sequence>
          <xsd:element name="name" type="xsd:string" minOccurs="0"/>
          <xsd:element name="cmt" type="xsd:string" minOccurs="0"/>
          <xsd:element name="desc" type="xsd:string" minOccurs="0"/>
          <xsd:element name="src" type="xsd:string" minOccurs="0"/>
          <xsd:element name="number" type="xsd:nonNegativeInteger" minOccurs="0"/>
          <xsd:element name="type" type="xsd:string" minOccurs="0"/>
          <xsd:element name="extensions" type="extensions" minOccurs="0"/>
          <xsd:element name="trkseg" minOccurs="0" maxOccurs="unbounded"><xsd:complexType><xsd:sequence>
            <xsd:element name="trkpt" type="point" minOccurs="0" maxOccurs="unbounded"/>
            <xsd:element name="extensions" type="extensions" minOccurs="0"/>
          </xsd:sequence></xsd:complexType></xsd:element>
        </xsd:sequence></xsd:complexType>
        <xsd:complexType name="point">
          <xsd:sequence>
            <xsd:element name="ele" type="xsd:decimal" minOccurs="0"/>
            <xsd:element name="time" type="xsd:dateTime" minOccurs="0"/>
            <xsd:element name="name" type="xsd:string" minOccurs="0"/>
            <xsd:element name="cmt" type="xsd:string" minOccurs="0"/>
            <xsd:element name="desc" type="xsd:string" minOccurs="0"/>
            <xsd:element name="src" type="xsd:string" minOccurs="0"/>
            <xsd:element name="sym" type="xsd:string" minOccurs="0"/>
            <xsd:element name="type" type="xsd:string" minOccurs="0"/>
            <xsd:element name="hdop" type="xsd:decimal" minOccurs="0"/>
            <xsd:element name="extensions" type="extensions" minOccurs="0"/>
          </xsd:sequence>
          <xsd:attribute name="lat" use="required"><xsd:simpleType><xsd:restriction base="xsd:decimal">
            <xsd:minInclusive value="-90"/><xsd:maxInclusive value="90"/>
          </xsd:restriction></xsd:simpleType></xsd:attribute>
          <xsd:attribute name="lon" use="required"><xsd:simpleType><xsd:restriction base="xsd:decimal">
            <xsd:minInclusive value="-180"/><xsd:maxExclusive value="180"/>
          </xsd:restriction></xsd:simpleType></xsd:attribute>
        </xsd:complexType>
        <xsd:complexType name="extensions"><xsd:sequence>
          <xsd:any namespace="##other" processContents="strict" minOccurs="0" maxOccurs="unbounded"/>
        </xsd:sequence></xsd:complexType>
        </xsd:schema>
        """
    private static let garmin = """
        <xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema"
            targetNamespace="http://www.garmin.com/xmlschemas/TrackPointExtension/v2" elementFormDefault="qualified">
        <xsd:element name="TrackPointExtension"><xsd:complexType><xsd:sequence>
          <xsd:element name="atemp" type="xsd:double" minOccurs="0"/>
          <xsd:element name="wtemp" type="xsd:double" minOccurs="0"/>
          <xsd:element name="depth" type="xsd:double" minOccurs="0"/>
          <xsd:element name="hr" type="xsd:unsignedByte" minOccurs="0"/>
          <xsd:element name="cad" type="xsd:unsignedByte" minOccurs="0"/>
          <xsd:element name="speed" type="xsd:double" minOccurs="0"/>
          <xsd:element name="course" minOccurs="0"><xsd:simpleType><xsd:restriction base="xsd:decimal">
            <xsd:minInclusive value="0"/><xsd:maxInclusive value="360"/>
          </xsd:restriction></xsd:simpleType></xsd:element>
          <xsd:element name="bearing" type="xsd:decimal" minOccurs="0"/>
        </xsd:sequence></xsd:complexType></xsd:element>
        </xsd:schema>
        """
    private static let drover = """
        <xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:drover:gpx:1"
            elementFormDefault="qualified">
        <xsd:element name="accuracy" type="xsd:decimal"/>
        </xsd:schema>
        """

    /// Fails the test where the document is not valid.
    static func check(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let result = try validate(text)
        #expect(result.isSuccess, "\(result.output.prefix(2_000))", sourceLocation: sourceLocation)
    }

    static func validate(_ text: String) throws -> (isSuccess: Bool, output: String) {
        let directory = try TemporaryDirectory(prefix: "gpx")
        defer { directory.remove() }
        let files = ["gpx.xsd": track, "garmin.xsd": garmin, "drover.xsd": drover, "track.gpx": text]
        for (name, content) in files {
            try content.write(toFile: "\(directory.path)/\(name)", atomically: true, encoding: .utf8)
        }
        let result = try Command.run(
            [
                "xmllint", "--nonet", "--noout", "--schema", "\(directory.path)/gpx.xsd",
                "\(directory.path)/track.gpx",
            ], environment: [:], within: .seconds(60))
        return (result.status?.isSuccess == true, result.output)
    }
}

/// RFC 7946, of the kinds that an export may have.
enum RFC7946 {
    static func check(_ document: JSON, sourceLocation: SourceLocation = #_sourceLocation) throws {
        // Section 3.3: a FeatureCollection has an array of features; section 7.1: nothing that belongs to other types.
        #expect(document["type"].string == "FeatureCollection", sourceLocation: sourceLocation)
        #expect(document.names.contains("features"), sourceLocation: sourceLocation)
        let foreign = Set(document.names)
        #expect(
            foreign.isDisjoint(with: ["coordinates", "geometries", "geometry", "properties", "crs"]),
            sourceLocation: sourceLocation)
        for feature in document["features"].array {
            // Section 3.2: type, geometry and properties, each of them there.
            #expect(feature["type"].string == "Feature", sourceLocation: sourceLocation)
            #expect(feature.names == ["geometry", "properties", "type"], sourceLocation: sourceLocation)
            let geometry = feature["geometry"]
            #expect(geometry.names == ["coordinates", "type"], sourceLocation: sourceLocation)
            #expect(geometry["type"].string == "Point", sourceLocation: sourceLocation)
            // Section 3.1.1: two or three numbers, longitude first; section 4: degrees of WGS 84.
            let position = geometry["coordinates"].array.map(\.number)
            #expect((2...3).contains(position.count), sourceLocation: sourceLocation)
            #expect(!position.contains(nil), sourceLocation: sourceLocation)
            #expect((-180...180).contains(position[0] ?? .nan), sourceLocation: sourceLocation)
            #expect((-90...90).contains(position[1] ?? .nan), sourceLocation: sourceLocation)
            #expect(!feature["properties"].names.isEmpty, sourceLocation: sourceLocation)
        }
    }
}
