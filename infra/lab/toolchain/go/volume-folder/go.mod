module iotlab.example/volume-folder

go 1.26.0
