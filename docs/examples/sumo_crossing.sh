#!/bin/sh
# Makes the movements of the shipped scenario sumo_crossing again, to the last byte of the text:
#
#     python3 -m venv sumo && sumo/bin/pip install eclipse-sumo==1.28.0
#     PATH=$PWD/sumo/bin:$PATH sh sumo_crossing.sh        # writes sumo_crossing_fcd.xml.gz
#
# A crossing with lights and four arms of 150 m; cars on five ways across it, a bus of line 1 with a stop
# before and one behind the crossing, people who walk around a corner, and people who take the bus.
set -eu
out=$PWD/sumo_crossing_fcd.xml
cd "$(mktemp -d)"

netgenerate --grid --grid.x-number 1 --grid.y-number 1 --grid.attach-length 150 \
    --default-junction-type traffic_light --default.speed 13.89 \
    --sidewalks.guess --crossings.guess --output-file crossing.net.xml

cat > crossing.add.xml <<'END'
<additional>
    <vType id="bus" vClass="bus"/>
    <busStop id="west" lane="left0A0_1" startPos="60" endPos="80"/>
    <busStop id="east" lane="A0right0_1" startPos="60" endPos="80"/>
    <flow id="we" begin="0" end="400" probability="0.05" from="left0A0" to="A0right0"/>
    <flow id="ew" begin="0" end="400" probability="0.05" from="right0A0" to="A0left0"/>
    <flow id="ns" begin="0" end="400" probability="0.03" from="top0A0" to="A0bottom0"/>
    <flow id="sn" begin="0" end="400" probability="0.03" from="bottom0A0" to="A0top0"/>
    <flow id="sw" begin="0" end="400" probability="0.02" from="bottom0A0" to="A0left0"/>
    <flow id="bus" type="bus" begin="30" end="400" period="120" from="left0A0" to="A0right0" line="1">
        <stop busStop="west" duration="15"/>
        <stop busStop="east" duration="15"/>
    </flow>
    <personFlow id="rider" begin="0" end="400" probability="0.025">
        <walk from="left0A0" busStop="west"/>
        <ride busStop="east" lines="1"/>
        <walk to="A0right0"/>
    </personFlow>
    <personFlow id="n" begin="0" end="400" probability="0.025">
        <walk from="top0A0" to="A0left0"/>
    </personFlow>
    <personFlow id="s" begin="0" end="400" probability="0.025">
        <walk from="bottom0A0" to="A0right0"/>
    </personFlow>
</additional>
END

# Of the second minute to the sixth: by then there are people on the way. An id and a place are enough.
sumo --net-file crossing.net.xml --additional-files crossing.add.xml --seed 7 --end 361 \
    --fcd-output fcd.xml --fcd-output.attributes id,x,y --device.fcd.begin 60

# Without SUMO's comment, which has the day on which it ran.
sed '/^<!--/,/^-->/d' fcd.xml > "$out"
gzip -9nf "$out"
